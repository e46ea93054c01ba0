"""Which headers are somebody's key, in whatever way they are spelled, and which only look like one."""

from __future__ import annotations

import re

import pytest

from vespa_client.http1.key_headers import is_secret


def listed(words: str) -> list[str]:
    return words.split()


# Of SDKs, gateways and identity proxies: what they call a key.
SECRETS = listed("""
Authorization Proxy-Authorization Cookie Cookie2 X-Api-Key Api-Key api_key apikey X-Goog-Api-Key xi-api-key Fal-Key DD-API-KEY
Ocp-Apim-Subscription-Key X-Functions-Key X-RapidAPI-Key x-litellm-api-key Helicone-Auth DD-APPLICATION-KEY X-License-Key
X-Amz-Security-Token X-Amz-Credential X-Auth-Token Private-Token Job-Token X-Vault-Token X-Subscription-Token X-Gitlab-Token
X-Shopify-Access-Token X-Forwarded-Access-Token X-Plex-Token X-MS-TOKEN-AAD-ID-TOKEN X-Amzn-Oidc-Accesstoken X-Amzn-Oidc-Data
Cf-Access-Client-Secret Cf-Access-Jwt-Assertion X-Goog-Iap-Jwt-Assertion X-Auth-Email X-OAuth-Scopes X-Emby-Authorization
x-ms-authorization-auxiliary X-Goog-Authenticated-User-Email X-MS-CLIENT-PRINCIPAL X-GitHub-OTP X-TOTP DPoP X-JWT X-Bearer
X-CSRF-Token X-XSRF-TOKEN X-CSRFToken Session-Token X-Session-Key Signature Signature-Input X-Hub-Signature-256
X-Password X-Passwd X-User-Pwd userpwd X-Passphrase X-Passcode X-Client-Pass X-PW X-WSSE X-Creds X-Credentials X-Secret-Key
x-amz-server-side-encryption-customer-key X-Keys X-Tokens X-Secrets X-Authorisation X-Authorized-By Authentication X-Authn
Sec-Private-State-Token
""")
SPELLINGS = listed("""
x-access-token x_access_token X.Access.Token xAccessToken XAccessToken xaccesstoken X-AccessToken X-ACCESS-TOKEN accessToken
x-client-secret clientSecret client_secret CLIENTSECRET pass-word pass_word passWord X-PassWord userPassword myApiKey MyAPIKey
sessionToken session_token sessiontoken AuthToken authtoken xauth XAuth basicauth oauth2 jwtToken hmacSha256 keyId key-id
""")
NO_SECRETS = listed("""
Accept Accept-Encoding Accept-Language User-Agent Origin Referer Range If-Match Cache-Control Keep-Alive Host Date Via Forwarded
Idempotency-Key X-Idempotency-Key idempotency_key idempotencyKey Idempotency-Token Sec-WebSocket-Key Sec-WebSocket-Version
traceparent tracestate baggage sentry-trace X-B3-TraceId X-Cloud-Trace-Context X-Amzn-Trace-Id uber-trace-id X-Datadog-Trace-Id
X-Request-Id X-Correlation-Id OpenAI-Organization OpenAI-Project OpenAI-Beta anthropic-version anthropic-beta X-Title
anthropic-dangerous-direct-browser-access X-Stainless-Lang X-Stainless-Retry-Count x-goog-api-client x-goog-user-project
X-Author Author Authority X-Goog-Iam-Authority-Selector Co-Authors X-Keyboard-Layout Keywords Keynote X-Keyframe-Interval
X-Monkey X-Turkey X-Hockey-Team X-Hotkey X-Tokenizer X-Tokenization X-Secretary X-Secretariat X-Max-Tokens Max-Tokens
X-Token-Count Surrogate-Key X-Cache-Key X-Compass X-Bypass-Cache Passenger X-Passive Accept-Signature Want-Content-Digest
Sec-Fetch-Site Sec-CH-UA Upgrade-Insecure-Requests Content-Type Content-Security-Policy X-Optimize Priority X-Serverless-Cost
""")


@pytest.mark.parametrize("name", [*SECRETS, *SPELLINGS])
def test_a_key_is_known_by_the_words_in_its_name(name: str) -> None:
    assert is_secret(name)
    assert is_secret(name.upper()) or re.search("[a-z][A-Z]", name)
    assert is_secret(name.lower()) or re.search("[a-z][A-Z]", name)


@pytest.mark.parametrize("name", NO_SECRETS)
def test_what_only_looks_like_a_key_is_none(name: str) -> None:
    assert not is_secret(name)
    assert not is_secret(name.lower())
    assert not is_secret(name.upper())


@pytest.mark.parametrize(
    "word", ["key", "token", "secret", "auth", "authorization", "password", "credential", "cookie", "apikey"]
)
@pytest.mark.parametrize("form", ["{}", "X-{}", "X-My-{}", "x_{}", "My{}", "x{}", "{}-Id", "{}s", "X-{}-2", "X.{}", "acme{}"])
def test_each_word_counts_in_each_form(word: str, form: str) -> None:
    for spelled in (word, word.title(), word.upper()):
        assert is_secret(form.format(spelled))
