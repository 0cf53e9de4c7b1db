// Verifies an access token with npm's jose, as a resource server in JavaScript would: by the issuer's metadata alone.
//
// usage: node jose_verify.mjs NODE_MODULES ISSUER AUDIENCE < TOKEN
//
// Prints the claims as JSON; fails if the token does not hold.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [nodeModules, issuer, audience] = process.argv.slice(2);
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(`${nodeModules}/jose/dist/webapi/index.js`));

const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
const { payload } = await jwtVerify(readFileSync(0, 'utf8').trim(), keys, {
  issuer,
  audience,
  typ: 'at+jwt',
  requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id'],
});
console.log(JSON.stringify(payload));
