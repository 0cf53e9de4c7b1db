"""The two providers, as a client and an operator see them."""

import base64
import hashlib
import json
import os
import secrets
import sys
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from stage import Failure

HERE = Path(__file__).parent
HOME = Path(os.environ["FOREIGN_HOME"])
AUDIENCE = "https://analytics.example"
READ = "read:analytics"
CALLBACK = "https://app.example/callback"
TIMEOUT_S = 10


class Provider:
    """A provider that can be stopped and started again under the same address."""

    # What follows is each provider's own. How `analytics` is to read its tokens:
    settings = {}
    # Of its issuer's address, and below that:
    path = ""
    authorize_path = token_path = ""
    # The client that people log in to, and what clients' secrets begin with:
    app = secret_prefix = ""

    def __init__(self, stage):
        self.stage = stage
        self.port = stage.port()
        self.issuer = f"http://127.0.0.1:{self.port}{self.path}"
        self.keys = 1
        self.start()

    def start(self):
        self.process = self.stage.start(type(self).__name__, self.command(), "listening")

    def stop(self):
        self.process.stop()

    def restart_with_new_keys(self):
        self.stop()
        self.keys += 1
        self.start()

    def secret_of(self, client):
        return self.secret_prefix + client

    def keys_file(self):
        return self.stage.directory / f"keys-{self.port}-{self.keys}.json"

    def trusted(self, **more):
        """The table of the settings that makes `analytics` trust it."""
        values = {"issuer": self.issuer, "audience": AUDIENCE, **self.settings, **more}
        return "[[trusted_issuers]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())

    def introspecting(self, **more):
        """The same for opaque tokens."""
        return self.trusted(
            introspection_client_id="analytics-server",
            introspection_client_secret=self.secret_of("analytics-server"),
            **more,
        )

    def post(self, path, client, **form):
        credentials = client and (client, self.secret_of(client))
        answer = requests.post(self.issuer + path, auth=credentials, data=form, timeout=TIMEOUT_S)
        if answer.status_code != 200:
            raise Failure(f"the provider answers {path} with {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def code_with_pkce(self, person, **asked):
        """Authorization code with PKCE (RFC 7636), walked as a browser would; gives the answer of the token endpoint."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.app,
            "redirect_uri": CALLBACK,
            "state": secrets.token_urlsafe(8),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "login_hint": person,
            **asked,
        }
        back = parse_qs(urlsplit(self.walk_to_callback(query)).query)
        if back.get("state") != [query["state"]] or "code" not in back:
            raise Failure(f"the provider comes back with {back}")
        return self.post(
            self.token_path,
            None,
            grant_type="authorization_code",
            client_id=self.app,
            redirect_uri=CALLBACK,
            code=back["code"][0],
            code_verifier=verifier,
            **{name: value for name, value in asked.items() if name == "resource"},
        )

    def walk_to_callback(self, query):
        browser = requests.Session()
        answer = browser.get(self.issuer + self.authorize_path, params=query, allow_redirects=False, timeout=TIMEOUT_S)
        for _ in range(10):
            if answer.status_code not in (302, 303):
                raise Failure(f"the provider answers {answer.status_code} {answer.text}")
            where = urljoin(answer.url, answer.headers["Location"])
            if where.startswith(CALLBACK):
                return where
            answer = browser.get(where, allow_redirects=False, timeout=TIMEOUT_S)
        raise Failure(f"the provider redirects for ever: {where}")


class OidcProvider(Provider):
    """npm's oidc-provider: discovery of OpenID Connect, a resource indicator for each kind of token."""

    settings = {"roles_claim": "roles"}
    app = AUDIENCE
    # Blanks show who encodes a secret before it goes into Basic (RFC 6749, 2.3.1).
    secret_prefix = "secret of "
    authorize_path = "/auth"
    token_path = "/token"

    def command(self):
        return ["node", HERE / "oidc_provider.mjs", HOME / "node_modules", self.port, self.keys_file()]

    def client_token(self, form="RS256", scope=READ, client="service", resource="analytics"):
        """An access token by client credentials. `form`: its algorithm, or "opaque"."""
        resource = f"urn:{resource}:{form}"
        answer = self.post("/token", client, grant_type="client_credentials", scope=scope, resource=resource)
        return answer["access_token"]

    def tokens_of_person(self, person, form="ES256", scope=READ):
        """What the token endpoint gives for a person: an access token, and an id token for our audience, too."""
        return self.code_with_pkce(person, scope=f"openid {scope}", resource=f"urn:analytics:{form}")

    def revoke(self, token, client="service"):
        self.post("/token/revocation", client, token=token)


class AuthlibProvider(Provider):
    """Authlib: metadata of RFC 8414 under a path, groups for roles, a client for each kind of token."""

    settings = {"roles_claim": ["access", "groups"], "report_admin": ["report-admins"]}
    path = "/tenants/acme"
    app = "app"
    # Authlib takes secrets in Basic as they are, encoded or not.
    secret_prefix = "secret-of-"
    authorize_path = "/authorize"
    token_path = "/token"

    def command(self):
        return [sys.executable, "-B", HERE / "authlib_provider.py", self.port, self.keys_file()]

    def client_token(self, form="RS256", scope=READ, client="service"):
        return self.post("/token", f"{client}-{form}", grant_type="client_credentials", scope=scope)["access_token"]

    def tokens_of_person(self, person, scope=READ):
        return self.code_with_pkce(person, scope=scope)

    def revoke(self, token, client="service"):
        self.post("/revoke", f"{client}-opaque", token=token)
