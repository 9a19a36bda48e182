import { writeFile } from 'node:fs/promises';
import { type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { OidcProvider } from '@sallyport/testkit/oidc-provider';
import { z } from 'zod';
import { CoapPeer } from './coap-peer.js';
import { System, succeeded } from './system.js';

const signedUp = z.object({ accesstoken: z.string(), refreshtoken: z.string(), uid: z.string() });
export type SignedUp = z.infer<typeof signedUp>;

/** The whole product, and a real provider of access tokens, which devices know as `plant`. */
export class CoapSite implements AsyncDisposable {
  private constructor(
    readonly system: System,
    readonly provider: OidcProvider,
    private readonly directory: TemporaryDirectory,
  ) {}

  static async start(): Promise<CoapSite> {
    const directory = temporaryDirectory('sp-');
    const provider = await OidcProvider.start();
    const { id, secret, redirectUri } = provider.client;
    await writeFile(directory.file('secret'), secret);
    const settings = [
      '[[provider]]',
      'name = "plant"',
      `issuer = "${provider.issuer}"`,
      `client_id = "${id}"`,
      `client_secret_path = "${directory.file('secret')}"`,
      `redirect_url = "${redirectUri}"`,
    ];
    await writeFile(directory.file('providers.toml'), settings.join('\n'));
    const system = await System.start({ 'coap.authorization.providers_path': directory.file('providers.toml') });
    return new CoapSite(system, provider, directory);
  }

  /** Changes settings (undefined: back to the default), and starts the product again. */
  async restartWith(settings: Readonly<Record<string, string | undefined>>): Promise<void> {
    for (const [key, value] of Object.entries(settings)) {
      const words = value === undefined ? ['unset', key] : ['set', key, value];
      succeeded(await this.system.sallyport('config', ...words));
    }
    await this.system.interrupt();
    await this.system.resume();
  }

  /** A device with an identity certificate. */
  device(id: string): Promise<CoapPeer> {
    return CoapPeer.create(this.system, id);
  }

  /** A device that alice has signed up: what it needs to sign in. */
  async signUp(peer: CoapPeer): Promise<SignedUp> {
    const accesstoken = await this.provider.codeFor('alice');
    const body = { di: peer.id, accesstoken, authprovider: 'plant' };
    return signedUp.parse(await peer.ask('/oic/sec/account', { body }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.system.stop();
    await this.provider.stop();
    await this.directory.remove();
  }
}
