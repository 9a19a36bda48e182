import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Duplex } from 'node:stream';
import { EmbeddedBroker, type EmbeddedBrokerOptions } from '@sallyport/embedded-broker';
import { connectMqtt, type Mqtt, type MqttConnection } from '@sallyport/mqtt';
import { type ProgramResult, runProgram } from '@sallyport/testkit';

export interface BrokerSite extends AsyncDisposable {
  readonly broker: EmbeddedBroker;
  readonly port: number;
  readonly warnings: string[];
  /** A session of a service of this process. */
  service(clientId?: string): Promise<Mqtt>;
  /** A session over the network. */
  network(clientId?: string): Promise<Mqtt>;
  publish(topic: string, message: string, ...args: string[]): Promise<ProgramResult>;
  /** Subscribes with mosquitto_sub until so many messages came or a second passed. */
  subscribe(filter: string, count: number, ...args: string[]): Promise<ProgramResult>;
}

export const quiet = { onFault: () => undefined };

/** A broker behind a plain TCP port, as the secure listener hands sockets over at level "plain". */
export async function openBrokerSite(options: EmbeddedBrokerOptions = {}): Promise<BrokerSite> {
  const warnings: string[] = [];
  const broker = new EmbeddedBroker({ onWarning: (text) => void warnings.push(text), ...options });
  const server = createServer((socket: Duplex) => broker.accept(socket, undefined)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const opened: Mqtt[] = [];
  const connect = async (connection: MqttConnection): Promise<Mqtt> => {
    const mqtt = await connectMqtt(connection, quiet);
    opened.push(mqtt);
    return mqtt;
  };
  const common = ['-h', '127.0.0.1', '-p', String(port), '-q', '1'];
  return {
    broker,
    port,
    warnings,
    service: (clientId = 'svc') => connect(inProcess(broker, clientId)),
    network: (clientId = 'net') => connect({ kind: 'network', url: `mqtt://127.0.0.1:${port}`, clientId }),
    publish: (topic, message, ...args) => runProgram('mosquitto_pub', [...common, '-t', topic, '-m', message, ...args]),
    subscribe: (filter, count, ...args) =>
      runProgram('mosquitto_sub', [...common, '-t', filter, '-C', String(count), '-W', '1', '-v', ...args]),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(opened.map((mqtt) => mqtt.close()));
      server.close();
      await broker.close();
    },
  };
}

export function inProcess(broker: EmbeddedBroker, clientId: string): MqttConnection {
  return { kind: 'in-process', openStream: () => broker.openStream(), clientId };
}

export async function collect(mqtt: Mqtt, filter: string): Promise<string[]> {
  const received: string[] = [];
  await mqtt.subscribe(filter, (topic, payload) => void received.push(`${topic} ${payload}`));
  return received;
}
