import { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TokenIssuer } from './token-issuer.js';

const rules = { audience: undefined, requiredClaims: [] };

/** A provider in miniature, with one key for this algorithm. */
async function providerWith(algorithm: string) {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const documents = new Map<string, object>();
  const server = createServer((request, response) => {
    response.end(JSON.stringify(documents.get(request.url ?? '') ?? {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  const address = server.address();
  const issuer = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  documents.set('/.well-known/openid-configuration', { issuer, jwks_uri: `${issuer}/keys` });
  documents.set('/keys', { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: algorithm }] });
  const verifier = new TokenIssuer({ issuer, now: () => new Date(), deadlineMs: 2000 });
  // A key of Web Crypto signs with one algorithm only.
  const key = KeyObject.from(privateKey);
  const sign = (alg = algorithm) =>
    new SignJWT({ sub: '1' }).setProtectedHeader({ alg, kid: 'one' }).setIssuer(issuer).sign(key);
  return { verifier, sign };
}

describe('a token signed with', () => {
  it.each(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'])(
    '%s is verified',
    async (algorithm) => {
      const { verifier, sign } = await providerWith(algorithm);
      expect(await verifier.verify(await sign(), rules)).toMatchObject({ sub: '1' });
    },
  );

  it('another algorithm than that of its key is refused', async () => {
    const { verifier, sign } = await providerWith('RS256');
    await expect(verifier.verify(await sign('RS512'), rules)).rejects.toThrow('it is not valid here');
  });
});
