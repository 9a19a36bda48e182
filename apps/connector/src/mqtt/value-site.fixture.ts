import { createServer, type TLSSocket } from 'node:tls';
import { type DeviceId, defaultConnector, deviceId } from '@sallyport/protocol';
import { openSqliteStore, type Store } from '@sallyport/store';
import { TestCa, type TestCertificate, TestClock, temporaryDirectory } from '@sallyport/testkit';
import { Twin } from '@sallyport/twin';
import { DeviceValues } from '../values/device-values.js';
import { DeviceSessions } from './device-sessions.js';
import { valuesOverMqtt } from './values-over-mqtt.js';

const startedAt = new Date('2026-03-01T12:00:00Z');

/** MQTT sessions over TLS, with values in a store on disk. The CN of a client's certificate is its identity. */
export class ValueSite implements AsyncDisposable {
  readonly values: DeviceValues;
  readonly twin: Twin;
  private readonly sessions: DeviceSessions;
  private readonly server = createServer({ requestCert: true, rejectUnauthorized: true });

  private constructor(
    private readonly directory: ReturnType<typeof temporaryDirectory>,
    private readonly store: Store,
    readonly ca: TestCa,
  ) {
    this.twin = new Twin(store, { clock: new TestClock(startedAt) });
    this.values = new DeviceValues(this.twin);
    this.sessions = new DeviceSessions({
      now: () => startedAt.getTime(),
      onWarning: () => undefined,
      onConnect: () => undefined,
      onDisconnect: () => undefined,
      valuesOf: (device) => valuesOverMqtt(this.values, () => contactOf(device)),
    });
  }

  static async open(): Promise<ValueSite> {
    const directory = temporaryDirectory('sp-');
    const store = await openSqliteStore({ file: directory.file('values.db') });
    const site = new ValueSite(directory, store, await TestCa.create());
    await site.listen();
    return site;
  }

  get port(): number {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('The site has no port.');
    return address.port;
  }

  device(name: string): Promise<TestCertificate> {
    return this.ca.issue({ commonName: name, key: 'P-256' });
  }

  /** Sets a value for a device. */
  async desire(device: string, alias: string, value: string): Promise<void> {
    await this.twin.desire(device, new Map([[alias, value]]));
  }

  async reported(device: string, alias: string): Promise<string | undefined> {
    return (await this.twin.resources(device)).get(alias)?.reported?.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sessions.stop();
    this.server.close();
    this.twin.close();
    await this.store.close();
    await this.ca[Symbol.asyncDispose]();
    await this.directory.remove();
  }

  private async listen(): Promise<void> {
    const { certPem, keyPem } = await this.ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
    this.server.setSecureContext({ cert: certPem, key: keyPem, ca: this.ca.certPem });
    this.server.on('secureConnection', (socket) => this.accept(socket));
    await new Promise<void>((resolve) => this.server.listen(0, 'localhost', resolve));
  }

  private accept(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy());
    this.sessions.accept(socket, {
      deviceId: deviceId.parse(socket.getPeerCertificate().subject.CN),
      connector: defaultConnector,
      remoteAddress: '127.0.0.1',
      network: '127.0.0.1',
      draining: new AbortController().signal,
      authenticate: async () => ({ outcome: 'refused', reason: 'credential-unknown' }),
      activate: async () => ({ outcome: 'refused', reason: 'not-expected' }),
    });
  }
}

function contactOf(device: DeviceId) {
  return {
    deviceId: device,
    connector: defaultConnector,
    protocol: 'mqtt',
    address: '127.0.0.1',
    resources: {},
  } as const;
}
