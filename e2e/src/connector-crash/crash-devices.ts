import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { publishPacket, RawConnection, RawMqtt, type TestCertificate } from '@sallyport/testkit';
import { Numbers } from './numbers.js';

/** Where the devices of a run find the connector. */
export interface ConnectorPorts {
  readonly connector: number;
  readonly connectorMqtt: number;
}

/** A device with a certificate that writes numbers as fast as they are acknowledged. */
export interface CrashDevice {
  readonly name: string;
  readonly numbers: Numbers;
  /** Connects and writes until the connection ends. Never rejects. */
  writeUntilCut(): Promise<void>;
  /** Ends the connection. */
  stop(): void;
}

export interface CrashDeviceOptions {
  readonly name: string;
  readonly certificate: TestCertificate;
  readonly ports: ConnectorPorts;
}

/** Between two writes, in milliseconds: the history of a device has an end, and all of it is looked at. */
const restMs = 10;

// The certificate of the connector is not what is proved here.
const tlsOf = ({ certPem, keyPem }: TestCertificate) => ({ cert: certPem, key: keyPem, rejectUnauthorized: false });

export class HttpDevice implements CrashDevice {
  readonly numbers = new Numbers();
  readonly name: string;
  private connection: RawConnection | undefined;

  constructor(private readonly options: CrashDeviceOptions) {
    this.name = options.name;
  }

  async writeUntilCut(): Promise<void> {
    const { certificate, ports } = this.options;
    try {
      this.connection = await RawConnection.open({ port: ports.connector, tls: tlsOf(certificate) });
      while (!this.connection.isClosed) await this.write(this.connection);
    } catch {
      // The next round begins with the same number.
    }
  }

  stop(): void {
    this.connection?.socket.destroy();
  }

  private async write(connection: RawConnection): Promise<void> {
    const number = this.numbers.next();
    const body = `n=${number}`;
    const head = [
      'POST /api:v1/stack/alias HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/x-www-form-urlencoded; charset=utf-8',
      `Content-Length: ${body.length}`,
    ];
    connection.send(`${head.join('\r\n')}\r\n\r\n${body}`);
    const { status } = await Promise.race([connection.response(), cut(connection)]);
    if (status !== 204) throw new Error(`the write was answered with ${status}`);
    this.numbers.acknowledge(number);
    await sleep(restMs);
  }
}

async function cut(connection: RawConnection): Promise<never> {
  await once(connection.socket, 'close');
  throw new Error('The connection has ended.');
}

export class MqttDevice implements CrashDevice {
  readonly numbers = new Numbers();
  readonly name: string;
  private client: RawMqtt | undefined;

  constructor(private readonly options: CrashDeviceOptions) {
    this.name = options.name;
  }

  async writeUntilCut(): Promise<void> {
    const { certificate, ports } = this.options;
    try {
      const target = { port: ports.connectorMqtt, tls: tlsOf(certificate) };
      const client = await RawMqtt.open(target, { clientId: '' });
      this.client = client;
      client.onAcknowledged = () => {
        this.numbers.acknowledge(this.numbers.acknowledged + 1);
        setTimeout(() => this.write(client), restMs);
      };
      this.write(client);
      await client.ended;
    } catch {
      // The next round begins with the same number.
    }
  }

  stop(): void {
    this.client?.cut();
  }

  private write(client: RawMqtt): void {
    client.write([
      publishPacket({ topic: '$resource/n', payload: Buffer.from(String(this.numbers.next())), packetId: 1 }),
    ]);
  }
}
