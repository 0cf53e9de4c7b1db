"""Tokens of npm's oidc-provider, which is certified by the OpenID Foundation."""

from product import Analytics
from providers import AUDIENCE, READ, OidcProvider
from stage import eventually

NAME = "oidc-provider:"
# The server looks for new keys at most every 30 s.
FETCH_AGAIN_S = 45


def client_credentials_jwt(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    token = provider.client_token()
    analytics.expect(200, token)
    caller = analytics.who_is(token)
    assert caller["issuer"] == provider.issuer and caller["subject"] == "service", caller
    assert caller["scopes"] == [READ] and caller["roles"] == [] and caller["expires_at"], caller


def authorization_code_with_pkce(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    token = provider.tokens_of_person("grace")["access_token"]
    analytics.expect(200, token)
    caller = analytics.who_is(token)
    assert caller["issuer"] == provider.issuer and caller["subject"] == "grace" and caller["roles"] == [], caller


def rs256(stage):
    _is_taken(stage, "RS256")


def es256(stage):
    _is_taken(stage, "ES256")


def eddsa(stage):
    _is_taken(stage, "EdDSA")


def ed25519_by_its_newer_name(stage):
    """RFC 9864 names the curve instead of the family."""
    _is_taken(stage, "Ed25519")


def _is_taken(stage, algorithm):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    analytics.expect(200, provider.client_token(algorithm))


def algorithms_left_out_are_refused(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted(algorithms=["ES256"]))
    analytics.expect(200, provider.client_token("ES256"))
    analytics.expect(401, provider.client_token("RS256"))


def opaque_token_by_introspection(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.introspecting())
    token = provider.client_token("opaque", scope=f"{READ} report_admin")
    analytics.expect(200, token)
    caller = analytics.who_is(token)
    assert caller["issuer"] == provider.issuer and caller["subject"] == "service", caller
    assert caller["scopes"] == [READ] and caller["roles"] == ["report_admin"], caller
    person = provider.tokens_of_person("grace", form="opaque")["access_token"]
    assert analytics.who_is(person)["subject"] == "grace"
    # The same server takes signed tokens of the same provider.
    analytics.expect(200, provider.client_token("RS256"))


def opaque_tokens_that_do_not_hold(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.introspecting())
    analytics.expect(401, "of-nobody")
    analytics.expect(401, provider.client_token("opaque", resource="other"))
    analytics.expect(403, provider.client_token("opaque", scope="something:else"), READ)


def introspection_revoked_token_ends(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.introspecting(introspection_cache_s=1))
    token, other = provider.client_token("opaque"), provider.client_token("opaque")
    analytics.expect(200, token)
    provider.revoke(token)
    eventually("a revoked token is refused", lambda: analytics.status(token) == 401, within_s=10)
    analytics.expect(200, other)


def introspection_while_the_provider_is_down(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.introspecting(introspection_cache_s=3600))
    known, unknown = provider.client_token("opaque"), provider.client_token("opaque")
    analytics.expect(200, known)
    provider.stop()
    analytics.expect(200, known)
    # Whether it holds cannot be said: it must not look as if it did not.
    analytics.expect(503, unknown)


def key_rotation_without_restart(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    old = provider.client_token()
    analytics.expect(200, old)
    provider.restart_with_new_keys()
    new = provider.client_token()
    eventually("a token of a new key is taken", lambda: analytics.status(new) == 200, FETCH_AGAIN_S)
    # Its key is published no more.
    eventually("a token of the old key is refused", lambda: analytics.status(old) == 401, within_s=5)


def provider_down_known_keys_still_good(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    known, fresh = provider.client_token(), provider.client_token()
    analytics.expect(200, known)
    provider.stop()
    analytics.expect(200, known)
    # Never seen before, but of a key that is.
    analytics.expect(200, fresh)


def provider_back(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    before = provider.client_token()
    analytics.expect(200, before)
    provider.stop()
    analytics.expect(200, before)
    provider.start()
    analytics.expect(200, provider.client_token())
    analytics.expect(200, before)


def provider_down_at_start_then_up(stage):
    provider = OidcProvider(stage)
    token = provider.client_token()
    provider.stop()
    analytics = Analytics(stage, provider.trusted())
    answer = analytics.expect(503, token)
    assert int(answer.headers["Retry-After"]) >= 1, answer.headers
    provider.start()
    eventually("the token is taken", lambda: analytics.status(token) == 200, FETCH_AGAIN_S)


def wrong_audience(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    analytics.expect(401, provider.client_token(resource="other"))


def wrong_issuer(stage):
    provider, stranger = OidcProvider(stage), OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    analytics.expect(401, stranger.client_token())


def id_token_is_refused(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    tokens = provider.tokens_of_person("ada")
    analytics.expect(200, tokens["access_token"])
    analytics.expect(401, tokens["id_token"])
    # This provider writes no hash of the access token into it: its type alone gives it away, and where it need not say
    # one, it passes for an access token without scopes.
    lax = Analytics(stage, provider.trusted(token_types=["at+jwt", "jwt"]))
    lax.expect(403, tokens["id_token"], READ)


def scope_missing_is_403(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    token = provider.client_token(scope="something:else")
    analytics.expect(403, token, READ)
    assert analytics.who_is(token)["scopes"] == []


def report_admin_by_claim(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    assert analytics.who_is(provider.client_token(client="reporter"))["roles"] == ["report_admin"]
    assert analytics.who_is(provider.tokens_of_person("ada")["access_token"])["roles"] == ["report_admin"]
    assert analytics.who_is(provider.client_token(client="service"))["roles"] == []


def report_admin_by_scope(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    caller = analytics.who_is(provider.client_token(scope=f"{READ} report_admin"))
    assert caller["scopes"] == [READ] and caller["roles"] == ["report_admin"], caller


def grants_bound_what_a_token_may_do(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted(grants=["report_admin"]))
    token = provider.client_token(client="reporter")
    analytics.expect(403, token, READ)
    caller = analytics.who_is(token)
    assert caller["scopes"] == [] and caller["roles"] == ["report_admin"], caller


def keys_by_url(stage):
    provider = OidcProvider(stage)
    analytics = Analytics(stage, provider.trusted(jwks_url=f"{provider.issuer}/jwks"))
    analytics.expect(200, provider.client_token())


def two_issuers_at_once(stage):
    one, other = OidcProvider(stage), OidcProvider(stage)
    narrow = other.trusted(audience=["https://elsewhere.example", AUDIENCE], grants=[READ])
    analytics = Analytics(stage, one.introspecting(), narrow)
    for provider, roles in [(one, ["report_admin"]), (other, [])]:
        caller = analytics.who_is(provider.client_token("ES256", client="reporter"))
        assert caller["issuer"] == provider.issuer and caller["roles"] == roles, caller
    analytics.expect(200, one.client_token("opaque"))
    # That one going down is nothing to the other.
    other.stop()
    analytics.expect(200, one.client_token())
