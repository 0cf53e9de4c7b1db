"""An authorization server made with Authlib: tokens of RFC 9068, metadata of RFC 8414, introspection, revocation.

usage: authlib_provider.py PORT KEYS_FILE

Unlike the other provider it has a path in its issuer's address, no OpenID discovery, RSA tokens that name no key, and groups
instead of roles. The keys are made where the file does not exist. Everything else is forgotten at exit. Prints one line when
it listens.
"""

import json
import logging
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify, request
from joserfc.jwk import ECKey, KeySet, RSAKey, import_key
from werkzeug.serving import WSGIRequestHandler, make_server

AUDIENCE = "https://analytics.example"
TENANT = "/tenants/acme"
TTL_S = 600


@dataclass
class Client(ClientMixin):
    client_id: str
    # The algorithm that its tokens are signed with, or "opaque".
    form: str = "RS256"
    audience: str = AUDIENCE
    groups: list = field(default_factory=list)
    redirect_uri: str | None = None

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return self.redirect_uri

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret):
        return client_secret == f"secret-of-{self.client_id}"

    def check_endpoint_auth_method(self, method, endpoint):
        return (method == "none") == bool(self.redirect_uri)

    def check_response_type(self, response_type):
        return bool(self.redirect_uri) and response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == ("authorization_code" if self.redirect_uri else "client_credentials")


CLIENTS = {
    client.client_id: client
    for client in [
        Client("service-RS256"),
        Client("service-ES256", form="ES256"),
        Client("service-opaque", form="opaque"),
        Client("reporter-ES256", form="ES256", groups=["finance", "report-admins"]),
        Client("reporter-opaque", form="opaque", groups=["report-admins"]),
        Client("stranger-RS256", audience="https://other.example"),
        Client("stranger-opaque", form="opaque", audience="https://other.example"),
        Client("analytics-server"),
        Client("app", form="ES256", redirect_uri="https://app.example/callback"),
    ]
}


@dataclass
class User:
    name: str

    def get_user_id(self):
        return self.name


@dataclass
class Code(AuthorizationCodeMixin):
    client_id: str
    redirect_uri: str
    scope: str
    user: User
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope


@dataclass
class Token(TokenMixin):
    client: Client
    subject: str
    scope: str
    expires_at: int
    revoked: bool = False

    def check_client(self, client):
        return client.client_id == self.client.client_id

    def get_scope(self):
        return self.scope

    def is_expired(self):
        return time.time() >= self.expires_at

    def is_revoked(self):
        return self.revoked


CODES: dict[str, Code] = {}
TOKENS: dict[str, Token] = {}


def keys_of(path):
    """The private keys by algorithm."""
    if not path.exists():
        made = [RSAKey.generate_key(2048), ECKey.generate_key("P-256")]
        path.write_text(json.dumps(KeySet(made).as_dict(private=True)))
    keys = [import_key(key) for key in json.loads(path.read_text())["keys"]]
    return dict(zip(["RS256", "ES256"], keys))


def expires_in(client, grant_type):
    return TTL_S


class SignedTokens(JWTBearerTokenGenerator):
    """Tokens of RFC 9068, signed with one algorithm: Authlib offers RS256 and ES256 here, and no EdDSA."""

    def __init__(self, issuer, alg, key):
        super().__init__(issuer, alg=alg, expires_generator=expires_in)
        self.key = key

    def get_jwks(self):
        # From a set, Authlib names the key in the token's header; from a single key, it does not.
        return self.key if self.alg == "RS256" else KeySet([self.key])

    def get_audiences(self, client, user, scope):
        return [client.audience, client.client_id]

    def get_extra_claims(self, client, grant_type, user, scope):
        return {"access": {"groups": client.groups}}


class OpaqueTokens(BearerTokenGenerator):
    def __init__(self):
        super().__init__(lambda **_: os.urandom(24).hex(), expires_generator=expires_in)


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]

    def save_authorization_code(self, code, request):
        asked = request.payload.data
        CODES[code] = Code(
            request.client.client_id,
            asked["redirect_uri"],
            request.payload.scope,
            request.user,
            asked["code_challenge"],
            asked["code_challenge_method"],
        )

    def query_authorization_code(self, code, client):
        found = CODES.pop(code, None)
        return found if found and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code):
        pass  # It went when it was looked up.

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic"]
    issuer = ""

    def check_permission(self, token, client, request):
        return client.client_id == "analytics-server"

    def query_token(self, token_string, token_type_hint):
        return TOKENS.get(token_string)

    def introspect_token(self, token):
        return {
            "iss": self.issuer,
            "sub": token.subject,
            "aud": token.client.audience,
            "client_id": token.client.client_id,
            "scope": token.scope,
            "exp": token.expires_at,
            "access": {"groups": token.client.groups},
        }


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic"]

    def query_token(self, token_string, token_type_hint):
        return TOKENS.get(token_string)

    def revoke_token(self, token, request):
        token.revoked = True


def save_token(token, request):
    subject = request.user.name if request.user else request.client.client_id
    expires_at = int(time.time()) + token["expires_in"]
    TOKENS[token["access_token"]] = Token(request.client, subject, token.get("scope", ""), expires_at)


def metadata_of(issuer):
    return AuthorizationServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        jwks_uri=f"{issuer}/keys",
        introspection_endpoint=f"{issuer}/introspect",
        revocation_endpoint=f"{issuer}/revoke",
        response_types_supported=["code"],
        grant_types_supported=["authorization_code", "client_credentials"],
        code_challenge_methods_supported=["S256"],
    )


def application(issuer, keys):
    app = Flask(__name__)
    server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save_token)
    generators = {alg: SignedTokens(issuer, alg, key) for alg, key in keys.items()}
    generators["opaque"] = OpaqueTokens()
    server.register_token_generator("default", lambda client, **rest: generators[client.form](client=client, **rest))
    server.register_grant(ClientCredentials)
    server.register_grant(CodeGrant, [CodeChallenge(required=True)])
    Introspection.issuer = issuer
    server.register_endpoint(Introspection)
    server.register_endpoint(Revocation)

    # Where RFC 8414 (3.1) puts it: before the issuer's path.
    @app.get(f"/.well-known/oauth-authorization-server{TENANT}")
    def metadata():
        return jsonify(metadata_of(issuer))

    @app.get(f"{TENANT}/keys")
    def public_keys():
        return jsonify(KeySet(list(keys.values())).as_dict(private=False))

    @app.get(f"{TENANT}/authorize")
    def authorize():
        # Who comes is who they say, and consents to all.
        person = User(request.args["login_hint"])
        grant = server.get_consent_grant(end_user=person)
        return server.create_authorization_response(grant_user=person, grant=grant)

    @app.post(f"{TENANT}/token")
    def token():
        return server.create_token_response()

    @app.post(f"{TENANT}/introspect")
    def introspect():
        return server.create_endpoint_response("introspection")

    @app.post(f"{TENANT}/revoke")
    def revoke():
        return server.create_endpoint_response("revocation")

    return app


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


def main():
    port, keys_file = int(sys.argv[1]), Path(sys.argv[2])
    # Authlib refuses plain HTTP otherwise; here everything stays on the loopback.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = application(f"http://127.0.0.1:{port}{TENANT}", keys_of(keys_file))
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
    print("listening", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
