"""Tokens of an authorization server made with Authlib, which shares no code with the other provider."""

from product import Analytics
from providers import READ, AuthlibProvider, OidcProvider
from stage import eventually

NAME = "authlib:"
FETCH_AGAIN_S = 45


def client_credentials_jwt(stage):
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    for form in ["RS256", "ES256"]:
        token = provider.client_token(form)
        analytics.expect(200, token)
        caller = analytics.who_is(token)
        assert caller["issuer"] == provider.issuer and caller["subject"] == f"service-{form}", caller


def authorization_code_with_pkce(stage):
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    token = provider.tokens_of_person("grace")["access_token"]
    analytics.expect(200, token)
    assert analytics.who_is(token)["subject"] == "grace"


def opaque_token_by_introspection(stage):
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.introspecting())
    token = provider.client_token("opaque")
    analytics.expect(200, token)
    assert analytics.who_is(token)["subject"] == "service-opaque"
    analytics.expect(401, "of-nobody")
    analytics.expect(401, provider.client_token("opaque", client="stranger"))


def introspection_revoked_token_ends(stage):
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.introspecting(introspection_cache_s=1))
    token = provider.client_token("opaque")
    analytics.expect(200, token)
    provider.revoke(token)
    eventually("a revoked token is refused", lambda: analytics.status(token) == 401, within_s=10)


def key_rotation_without_restart(stage):
    """With a `kid` in the tokens and without: Authlib names the key of one kind only."""
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    analytics.expect(200, provider.client_token("ES256"))
    provider.restart_with_new_keys()
    named, unnamed = provider.client_token("ES256"), provider.client_token("RS256")
    eventually("a token of a new key is taken", lambda: analytics.status(named) == 200, FETCH_AGAIN_S)
    analytics.expect(200, unnamed)


def provider_down_and_back(stage):
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    analytics.expect(200, provider.client_token())
    fresh = provider.client_token()
    provider.stop()
    analytics.expect(200, fresh)
    provider.start()
    analytics.expect(200, provider.client_token())


def wrong_audience(stage):
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    analytics.expect(401, provider.client_token(client="stranger"))


def scope_missing_is_403(stage):
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.trusted())
    analytics.expect(403, provider.client_token(scope="read:analyticsx read"), READ)


def report_admin_by_a_nested_claim(stage):
    provider = AuthlibProvider(stage)
    analytics = Analytics(stage, provider.introspecting())
    for form in ["ES256", "opaque"]:
        assert analytics.who_is(provider.client_token(form, client="reporter"))["roles"] == ["report_admin"]
        assert analytics.who_is(provider.client_token(form, client="service"))["roles"] == []


def two_kinds_of_provider_at_once(stage):
    providers = [OidcProvider(stage), AuthlibProvider(stage)]
    analytics = Analytics(stage, *(provider.introspecting() for provider in providers))
    for provider in providers:
        for form in ["ES256", "opaque"]:
            assert analytics.who_is(provider.client_token(form))["issuer"] == provider.issuer
    # The one that is asked first being down keeps nobody from the other.
    providers[0].stop()
    for form in ["ES256", "opaque"]:
        analytics.expect(200, providers[1].client_token(form))


def an_issuer_of_opaque_tokens_alone(stage):
    provider = AuthlibProvider(stage)
    introspect = f"{provider.issuer}/introspect"
    analytics = Analytics(stage, provider.introspecting(opaque=True, introspection_url=introspect))
    analytics.expect(200, provider.client_token("opaque"))
