import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OcfDevice, type OcfDeviceOptions } from '@sallyport/testkit';
import { decode, encode } from 'cborg';
import { type System, succeeded } from './system.js';

/** The clients of libcoap, on two libraries for TLS. */
export const coapClients = ['coap-client-openssl', 'coap-client-gnutls'] as const;
export type CoapProgram = (typeof coapClients)[number];

export interface CoapAsking {
  readonly method?: 'get' | 'post' | 'delete';
  /** Sent as CBOR. */
  readonly body?: unknown;
  readonly client?: CoapProgram;
  /** Of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Without its certificate. */
  readonly isAnonymous?: boolean;
}

/** A device of OCF with an identity certificate of the site, and what plays it: the clients of libcoap. */
export class CoapPeer {
  private constructor(
    private readonly system: System,
    /** Its UUID. */
    readonly id: string,
    private readonly directory: string,
  ) {}

  /** Issues the identity with the CLI. */
  static async create(system: System, id: string): Promise<CoapPeer> {
    const directory = join(system.directory, id);
    succeeded(await system.sallyport('coap', 'identity', '--device', id, '--out', directory));
    await mkdir(join(directory, 'sent'));
    return new CoapPeer(system, id, directory);
  }

  get files(): Pick<OcfDeviceOptions, 'caPath' | 'certificate'> {
    const file = (name: string) => join(this.directory, name);
    const certificate = { certPath: file('identity.pem'), keyPath: file('identity.key') };
    return { caPath: file('ca.pem'), certificate };
  }

  /**
   * Sends one request on a connection of its own.
   *
   * @returns the content of the answer, from CBOR; of an error the text `4.01 ...`; an empty text when there is no answer
   */
  async ask(path: string, asking: CoapAsking = {}): Promise<unknown> {
    const { method = 'post', body, client = 'coap-client-openssl', isAnonymous = false, env = {} } = asking;
    const answer = join(this.directory, 'answer.cbor');
    await rm(answer, { force: true });
    const { caPath, certificate } = this.files;
    const identity = isAnonymous || !certificate ? [] : ['-c', certificate.certPath, '-j', certificate.keyPath];
    const sent = body === undefined ? [] : ['-t', '10000', '-f', await this.bodyFile('body.cbor', body)];
    const words = ['-m', method, '-A', '10000', '-B', '10', '-o', answer, ...sent, ...identity, '-R', caPath];
    const uri = `coaps+tcp://127.0.0.1:${this.system.ports.coap}${path}`;
    const { stdout, stderr } = await this.system.run(client, [...words, uri], env);
    const content = await readFile(answer).catch(() => undefined);
    const [refusal] = /^\d\.\d\d .*$/m.exec(`${stdout}${stderr}`) ?? [''];
    return content === undefined || content.length === 0 ? refusal : decode(content);
  }

  /** Plays the device with one connection for all its requests. */
  connect(options: Partial<OcfDeviceOptions> = {}): Promise<OcfDevice> {
    return OcfDevice.start({ port: this.system.ports.coap, id: this.id, ...this.files, ...options });
  }

  /** Writes what `OcfDevice.ask` sends, and returns the path. */
  async bodyFile(name: string, body: unknown): Promise<string> {
    const path = join(this.directory, 'sent', name);
    await writeFile(path, encode(body));
    return path;
  }
}
