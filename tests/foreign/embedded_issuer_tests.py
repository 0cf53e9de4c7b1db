"""The other way round: foreign clients and verifiers against the issuer that `analytics` has inside."""

import json
import subprocess
import warnings

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6750 import InsufficientScopeError
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet

from product import TIMEOUT_S, Analytics
from providers import HERE, HOME, READ
from stage import Failure

NAME = "embedded issuer:"
GRANTS = ["--scope", READ, "--role", "report_admin"]
PASSWORD = "a password for the tests"
# joserfc would have "EdDSA" be called "Ed25519" (RFC 9864), which many verifiers do not know yet.
warnings.filterwarnings("ignore", category=SecurityWarning)


def metadata_is_sound(stage):
    analytics = Analytics(stage)
    metadata = _metadata(analytics)
    # Authlib wants a response type of every issuer; ours has no authorization endpoint, so it has none.
    for claim in set(metadata.REGISTRY_KEYS) - {"response_types_supported"}:
        getattr(metadata, f"validate_{claim}")()
    assert metadata.issuer == analytics.url, metadata
    assert {"client_credentials", "refresh_token"} <= set(metadata.grant_types_supported), metadata
    methods = set(metadata.token_endpoint_auth_methods_supported)
    assert {"client_secret_basic", "client_secret_post"} <= methods, metadata


def client_credentials_by_basic(stage):
    _client_credentials(stage, "client_secret_basic")


def client_credentials_by_body(stage):
    _client_credentials(stage, "client_secret_post")


def _client_credentials(stage, method):
    analytics = Analytics(stage)
    client, secret = analytics.create_client(*GRANTS)
    with _session(client, secret, method) as session:
        token = session.fetch_token(_metadata(analytics).token_endpoint, grant_type="client_credentials")
        assert token["token_type"] == "Bearer" and 0 < token["expires_in"] <= 600, token
        assert session.get(f"{analytics.url}/logs/system-events", timeout=TIMEOUT_S).status_code == 200
    analytics.expect(200, token["access_token"])
    caller = analytics.who_is(token["access_token"])
    assert caller["issuer"] == "local" and caller["subject"] == client, caller
    assert caller["scopes"] == [READ] and caller["roles"] == ["report_admin"], caller


def scopes_can_be_narrowed_and_not_widened(stage):
    analytics = Analytics(stage)
    client, secret = analytics.create_client(*GRANTS)
    endpoint = _metadata(analytics).token_endpoint
    with _session(client, secret) as session:
        narrow = session.fetch_token(endpoint, grant_type="client_credentials", scope=READ)
        assert narrow["scope"] == READ, narrow
        assert analytics.who_is(narrow["access_token"])["roles"] == []
        wide = lambda: session.fetch_token(endpoint, grant_type="client_credentials", scope=f"{READ} admin")
        assert _error(wide) == "invalid_scope"


def a_wrong_secret_is_an_invalid_client(stage):
    analytics = Analytics(stage)
    client, secret = analytics.create_client(*GRANTS)
    endpoint = _metadata(analytics).token_endpoint
    for method in ["client_secret_basic", "client_secret_post"]:
        for wrong in [(client, "guessed"), ("unknown", secret)]:
            with _session(*wrong, method) as session:
                assert _error(lambda: session.fetch_token(endpoint, grant_type="client_credentials")) == "invalid_client"


def a_client_renews_its_token_by_itself(stage):
    """Authlib fetches a new one when less than a minute is left, which is at once here."""
    analytics = Analytics(stage, "[issuer]\ntoken_ttl_s = 30")
    client, secret = analytics.create_client(*GRANTS)
    endpoint = _metadata(analytics).token_endpoint
    with _session(client, secret, token_endpoint=endpoint, grant_type="client_credentials") as session:
        first = session.fetch_token()["access_token"]
        assert session.get(f"{analytics.url}/logs/system-events", timeout=TIMEOUT_S).status_code == 200
        assert session.token["access_token"] != first
        analytics.credentials |= {first, session.token["access_token"]}


def refresh_token_rotates(stage):
    analytics = Analytics(stage)
    first = _log_in(analytics, "grace")
    endpoint = _metadata(analytics).token_endpoint
    # A public client, as a web page is one: it says who it is, and has no secret.
    with _session("analytics", None, "none") as session:
        second = session.refresh_token(endpoint, refresh_token=first["refresh_token"])
        assert second["refresh_token"] != first["refresh_token"]
        analytics.expect(200, second["access_token"])
        assert analytics.who_is(second["access_token"])["subject"] == "grace"
        # One that was used already may be stolen: using it again ends the log-in.
        assert _error(lambda: session.refresh_token(endpoint, refresh_token=first["refresh_token"])) == "invalid_grant"
        assert _error(lambda: session.refresh_token(endpoint, refresh_token=second["refresh_token"])) == "invalid_grant"
    analytics.expect(401, second["access_token"])


def eddsa_token_verified_by_joserfc(stage):
    analytics = Analytics(stage, '[issuer]\nalgorithm = "EdDSA"')
    verified = _joserfc(analytics, _client_token(analytics), "EdDSA")
    _is_rfc_9068(analytics, verified.header, verified.claims)


def es256_token_verified_by_joserfc(stage):
    analytics = Analytics(stage, '[issuer]\nalgorithm = "ES256"')
    verified = _joserfc(analytics, _client_token(analytics), "ES256")
    _is_rfc_9068(analytics, verified.header, verified.claims)


def es256_token_verified_by_authlib(stage):
    analytics = Analytics(stage, '[issuer]\nalgorithm = "ES256"')
    validator = _Validator(analytics)
    token = validator.authenticate_token(_client_token(analytics))
    validator.validate_token(token, [READ], None, roles=["report_admin"])
    try:
        validator.validate_token(token, ["admin"], None)
    except InsufficientScopeError:
        return
    raise Failure("authlib finds a scope in the token that was not given")


def eddsa_token_verified_by_jose(stage):
    _verified_by_jose(stage, "EdDSA")


def es256_token_verified_by_jose(stage):
    _verified_by_jose(stage, "ES256")


def _verified_by_jose(stage, algorithm):
    analytics = Analytics(stage, f'[issuer]\nalgorithm = "{algorithm}"')
    claims = _jose(analytics, _client_token(analytics))
    assert claims["scope"] == READ and claims["roles"] == ["report_admin"], claims


def rotated_keys_overlap(stage):
    analytics = Analytics(stage)
    client = analytics.create_client(*GRANTS)
    old = _client_token(analytics, client)
    analytics.run("issuer", "rotate")
    new = _client_token(analytics, client)
    headers = [_joserfc(analytics, token, "EdDSA").header for token in (old, new)]
    assert headers[0]["kid"] != headers[1]["kid"], headers
    for token in (old, new):
        _jose(analytics, token)
        analytics.expect(200, token)


class _Validator(JWTBearerTokenValidator):
    """How Authlib protects a resource: with what the metadata says."""

    def __init__(self, analytics):
        super().__init__(issuer=analytics.url, resource_server=analytics.url)
        self.analytics = analytics

    def get_jwks(self):
        return _keys(self.analytics)


def _metadata(analytics):
    answer = requests.get(f"{analytics.url}/.well-known/oauth-authorization-server", timeout=TIMEOUT_S)
    return AuthorizationServerMetadata(answer.json())


def _keys(analytics):
    return KeySet.import_key_set(requests.get(_metadata(analytics).jwks_uri, timeout=TIMEOUT_S).json())


def _session(client, secret, method="client_secret_basic", **more):
    return OAuth2Session(client, secret, token_endpoint_auth_method=method, default_timeout=TIMEOUT_S, **more)


def _client_token(analytics, client=None):
    client = client or analytics.create_client(*GRANTS)
    with _session(*client) as session:
        token = session.fetch_token(_metadata(analytics).token_endpoint, grant_type="client_credentials")
    analytics.credentials.add(token["access_token"])
    return token["access_token"]


def _log_in(analytics, name):
    analytics.run("account", "create", name, *GRANTS, "--password-stdin", stdin=f"{PASSWORD}\n")
    analytics.credentials.add(PASSWORD)
    who = {"username": name, "password": PASSWORD}
    answer = requests.post(f"{analytics.url}/auth/login", json=who, timeout=TIMEOUT_S)
    if answer.status_code != 200:
        raise Failure(f"logging in answers {answer.status_code} {answer.text}")
    tokens = answer.json()
    analytics.credentials |= {tokens["access_token"], tokens["refresh_token"]}
    return tokens


def _error(attempt):
    """The error that a client of Authlib's reads from a refusal."""
    try:
        attempt()
    except OAuthError as refusal:
        return refusal.error
    raise Failure("it was not refused")


def _is_rfc_9068(analytics, header, claims):
    assert header["typ"] == "at+jwt" and header["kid"], header
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(claims), claims
    assert claims["iss"] == claims["aud"] == analytics.url, claims


def _joserfc(analytics, token, algorithm):
    """The token, as PyPI's joserfc verifies it."""
    return jwt.decode(token, _keys(analytics), algorithms=[algorithm])


def _jose(analytics, token):
    """The claims, as npm's jose verifies them."""
    command = ["node", HERE / "jose_verify.mjs", HOME / "node_modules", analytics.url, analytics.url]
    ended = subprocess.run(command, input=token, capture_output=True, text=True, timeout=TIMEOUT_S)
    if ended.returncode != 0:
        raise Failure(f"jose refuses the token: {ended.stderr}")
    return json.loads(ended.stdout)
