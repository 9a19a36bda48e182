import { once } from 'node:events';
import { publishPacket, RawConnection, RawMqtt } from '@sallyport/testkit';
import { FleetDevice } from './device.js';

/** Puts a file at the agent, and reads it. */
export class HttpDevice extends FleetDevice {
  protected async sendData(): Promise<void> {
    await using connection = await RawConnection.open({ port: this.site.http, tls: await this.tls() });
    const head = `PUT /tedge/file-transfer/${this.spec.name}.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n`;
    connection.send(`${head}hello`);
    const { status } = await answerOf(connection);
    if (status >= 300) throw new Error(`the agent answered ${status}`);
  }
}

/** Publishes a value at QoS 1. */
export class MqttDevice extends FleetDevice {
  protected async sendData(): Promise<void> {
    const { name, address } = this.spec;
    await publish(
      { port: this.site.mqtt, localAddress: address, tls: await this.tls() },
      name,
      `te/device/${name}///m/t`,
    );
  }
}

/** Waits for a response, or fails at once when the connection has ended. */
export function answerOf(connection: RawConnection) {
  const cut = once(connection.socket, 'close').then((): never => {
    throw new Error('the connection was ended');
  });
  return Promise.race([connection.response(), cut]);
}

/** @throws Error: it was not acknowledged */
export async function publish(
  target: Parameters<typeof RawMqtt.open>[0],
  clientId: string,
  topic: string,
): Promise<void> {
  await using client = await RawMqtt.open(target, { clientId });
  const acknowledged = new Promise<void>((resolve) => {
    client.onAcknowledged = () => resolve();
  });
  client.write([publishPacket({ topic, payload: Buffer.from('21'), packetId: 1 })]);
  await Promise.race([
    acknowledged,
    client.ended.then(() => {
      throw new Error('the connection was ended before the message was acknowledged');
    }),
  ]);
}
