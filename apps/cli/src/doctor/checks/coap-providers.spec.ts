import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fakeSite } from '../../fixtures/fake-site.fixture.js';
import { examine } from '../../fixtures/mend.fixture.js';

/** A site with a provider of which only its description matters. */
async function siteWithProvider() {
  const site = await fakeSite();
  let status = 200;
  const provider = createServer((_request, response) => response.writeHead(status).end('{}'));
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  onTestFinished(async () => {
    provider.close();
    await site[Symbol.asyncDispose]();
  });
  const { port } = Object(provider.address());
  const [file, secret] = [join(site.directory, 'providers.toml'), join(site.directory, 'client-secret')];
  const lines = [
    '[[provider]]',
    'name = "plant"',
    `issuer = "http://127.0.0.1:${port}"`,
    'client_id = "coap-gateway"',
    `client_secret_path = "${secret}"`,
  ];
  await writeFile(file, lines.join('\n'));
  await writeFile(secret, 'x');
  await site.run(['config', 'set', 'coap.authorization.providers_path', file]);
  const found = async () => {
    const { findings } = await examine(site.run, { now: () => new Date('2026-06-01T00:00:00Z') });
    return findings.filter(({ id }) => id === 'coap-providers').map(({ what, fix }) => ({ what, fix }));
  };
  const answerWith = (other: number) => {
    status = other;
  };
  return { file, secret, port, provider, found, answerWith };
}

describe('doctor, about the OpenID Connect providers of the CoAP gateway', () => {
  it('finds nothing while they answer and their secrets are there', async () => {
    const { found } = await siteWithProvider();
    expect(await found()).toEqual([]);
  });

  it('names the file of a client secret that is missing, and opens it', async () => {
    const { found, secret } = await siteWithProvider();
    await rm(secret);
    expect(await found()).toEqual([
      {
        what: expect.stringMatching(
          /^client_secret_path of provider "plant" is .*client-secret, which .*Write the secret/,
        ),
        fix: `\${EDITOR:-vi} ${secret}`,
      },
    ]);
  });

  it('names a provider that cannot be reached, or is another server', async () => {
    const { found, file, port, provider, answerWith } = await siteWithProvider();
    const url = `http://127.0.0.1:${port}/.well-known/openid-configuration`;
    answerWith(404);
    expect(await found()).toEqual([
      {
        what: `Provider "plant" does not describe itself at ${url}: status 404. No device that names it can sign up. Start the provider, or correct issuer in ${file}.`,
        fix: `\${EDITOR:-vi} ${file}`,
      },
    ]);
    provider.close();
    provider.closeAllConnections();
    expect(await found()).toMatchObject([{ what: expect.stringContaining('ECONNREFUSED') }]);
  });

  it('tells the line of a file that cannot be used', async () => {
    const { found, file } = await siteWithProvider();
    await writeFile(file, '[[provider]]\nname = 1\n');
    expect(await found()).toMatchObject([{ what: expect.stringContaining('providers.toml, line 1') }]);
  });
});
