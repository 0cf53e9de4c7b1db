// A certified OpenID provider, npm's oidc-provider, with clients, a person who always logs in and consents, and a resource
// server for each kind of access token.
//
// usage: node oidc_provider.mjs NODE_MODULES PORT KEYS_FILE
//
// The keys are made where the file does not exist. Everything else is forgotten at exit. Prints one line when it listens.
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [nodeModules, port, keysFile] = process.argv.slice(2);
// The module lies in the build directory, where an import by name does not look.
const { default: Provider } = await import(pathToFileURL(`${nodeModules}/oidc-provider/lib/index.js`));

const AUDIENCE = 'https://analytics.example';
const SCOPES = 'read:analytics report_admin something:else';
const TTL_S = 600;

// What tokens are asked for, by resource indicator (RFC 8707).
const RESOURCES = {
  'urn:analytics:RS256': { audience: AUDIENCE, ...signedWith('RS256') },
  'urn:analytics:ES256': { audience: AUDIENCE, ...signedWith('ES256') },
  'urn:analytics:EdDSA': { audience: AUDIENCE, ...signedWith('EdDSA') },
  'urn:analytics:Ed25519': { audience: AUDIENCE, ...signedWith('Ed25519') },
  'urn:analytics:opaque': { audience: AUDIENCE, accessTokenFormat: 'opaque' },
  'urn:other:RS256': { audience: 'https://other.example', ...signedWith('RS256') },
  'urn:other:opaque': { audience: 'https://other.example', accessTokenFormat: 'opaque' },
};

// Clients and people whose tokens carry the claim.
const ROLES = { reporter: ['auditor', 'report_admin'], ada: ['report_admin'] };

const CLIENTS = [
  { ...secretClient('service'), grant_types: ['client_credentials'] },
  { ...secretClient('reporter'), grant_types: ['client_credentials'] },
  { ...secretClient('analytics-server'), grant_types: [] },
  {
    // The id token of this client names our audience: only its type tells that it is no access token.
    client_id: AUDIENCE,
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: ['https://app.example/callback'],
  },
];

function signedWith(alg) {
  return { accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
}

function secretClient(id) {
  return { client_id: id, client_secret: `secret of ${id}`, response_types: [], redirect_uris: [] };
}

function makeKeys() {
  const pairs = [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ed25519'),
  ];
  return { keys: pairs.map(({ privateKey }) => ({ ...privateKey.export({ format: 'jwk' }), use: 'sig' })) };
}

function readKeys() {
  if (!existsSync(keysFile)) writeFileSync(keysFile, JSON.stringify(makeKeys()), { mode: 0o600 });
  return JSON.parse(readFileSync(keysFile, 'utf8'));
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: CLIENTS,
  jwks: readKeys(),
  cookies: { keys: ['a cookie that outlives no test'] },
  ttl: { AccessToken: TTL_S, AuthorizationCode: 60, ClientCredentials: TTL_S, Grant: TTL_S, IdToken: TTL_S, Interaction: 60, Session: TTL_S },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  extraTokenClaims: (ctx, token) => {
    const roles = ROLES[token.accountId ?? token.clientId];
    return roles && { roles };
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === 'analytics-server' },
    revocation: { enabled: true, allowedPolicy: (ctx, client, token) => client.clientId === token.clientId },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => ({ scope: SCOPES, accessTokenTTL: TTL_S, ...RESOURCES[resource] }),
    },
  },
});

// What a person would do on two pages: log in under the name that the request hints at, and consent to all it asks for.
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const result = prompt.name === 'login'
    ? { login: { accountId: params.login_hint } }
    : { consent: { grantId: await consentTo(params, session.accountId) } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

async function consentTo(params, accountId) {
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope('openid');
  grant.addResourceScope(params.resource, params.scope);
  return grant.save();
}

const answer = provider.callback();
const server = createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) return answer(request, response);
  return interact(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
provider.on('server_error', (ctx, error) => console.error(error));
server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
