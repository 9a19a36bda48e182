import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { EmbeddedBroker, tableRules } from '@sallyport/embedded-broker';
import {
  type MosquittoNames,
  type MqttAccess,
  type MqttParty,
  mosquittoAcl,
  type ProvenPeer,
  sessionIdOf,
  userNameOf,
} from '@sallyport/protocol';
import {
  RawMqtt,
  type RawMqttSession,
  type RawMqttTarget,
  spawnMosquitto,
  TestCa,
  temporaryDirectory,
} from '@sallyport/testkit';

/** A broker that keeps the access table, as its clients meet it. */
export interface AccessSite extends AsyncDisposable {
  /** Connects as this peer; the site adds what the peer proves. */
  connect(peer: ProvenPeer | undefined, session: RawMqttSession): Promise<RawMqtt>;
  /** Connects as somebody with a right to every topic of the question. */
  observe(): Promise<RawMqtt>;
}

let sessions = 0;

/** The embedded broker; the secure listener has proved who the peer is. */
export async function embeddedSite(access: MqttAccess): Promise<AccessSite> {
  const broker = new EmbeddedBroker({ rules: tableRules(access), onWarning: () => undefined });
  const closings: (() => void)[] = [];
  const listenFor = async (take: (socket: Socket) => void): Promise<RawMqttTarget> => {
    const server = createServer(take).listen(0, '127.0.0.1');
    closings.push(() => server.close());
    await once(server, 'listening');
    const address = server.address();
    return { port: typeof address === 'object' && address !== null ? address.port : 0 };
  };
  return {
    connect: async (peer, session) => RawMqtt.open(await listenFor((socket) => broker.accept(socket, peer)), session),
    observe: async () => {
      const target = await listenFor((socket) => {
        const stream = broker.openStream();
        socket.pipe(stream).pipe(socket);
        stream.on('error', () => socket.destroy());
        socket.on('error', () => stream.destroy());
        socket.once('close', () => stream.destroy());
      });
      return RawMqtt.open(target, { clientId: `observer-${sessions++}`, keepAliveSeconds: 60 });
    },
    [Symbol.asyncDispose]: async () => {
      for (const close of closings) close();
      await broker.close();
    },
  };
}

/** Mosquitto as the door meets it: user name and client id are what the door writes into a CONNECT. */
export async function mosquittoBehindDoor(access: MqttAccess): Promise<AccessSite> {
  const directory = temporaryDirectory();
  const socketPath = directory.file('broker.sock');
  const config = [
    `acl_file ${await writeAcl(access, 'door', directory.file('rules.acl'))}`,
    `listener 0 ${socketPath}`,
  ];
  const mosquitto = await spawnMosquitto({ config });
  return {
    connect: (peer, session) => {
      const party: MqttParty = access.partyOf(peer);
      const clientId = sessionIdOf(party, session.clientId);
      return RawMqtt.open({ socketPath }, { ...session, clientId, userName: userNameOf(party) });
    },
    observe: () => RawMqtt.open({ socketPath }, { clientId: `observer-${sessions++}`, userName: 'observer' }),
    [Symbol.asyncDispose]: async () => {
      await mosquitto.stop();
      await directory.remove();
    },
  };
}

/** Mosquitto that clients reach directly: the name is the CN of their certificate. */
export async function mosquittoAlone(access: MqttAccess): Promise<AccessSite> {
  const directory = temporaryDirectory();
  const ca = await TestCa.create();
  const { certPath, keyPath } = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  const acl = await writeAcl(access, 'certificate', directory.file('rules.acl'));
  const mosquitto = await spawnMosquitto({
    tls: { certPath, keyPath, caPath: ca.certPath },
    requireCertificate: true,
    config: [`acl_file ${acl}`],
  });
  const connect = async (commonName: string, session: RawMqttSession): Promise<RawMqtt> => {
    const { certPem: cert, keyPem: key } = await ca.issue({ commonName, extendedKeyUsage: 'clientAuth' });
    return RawMqtt.open({ port: mosquitto.port, tls: { ca: ca.certPem, servername: 'localhost', cert, key } }, session);
  };
  return {
    connect: (peer, session) => connect(peer?.deviceId ?? '', session),
    observe: () => connect('observer', { clientId: `observer-${sessions++}`, keepAliveSeconds: 60 }),
    [Symbol.asyncDispose]: async () => {
      await mosquitto.stop();
      await directory.remove();
      await ca[Symbol.asyncDispose]();
    },
  };
}

async function writeAcl(access: MqttAccess, names: MosquittoNames, path: string): Promise<string> {
  const observer = ['user observer', 'topic readwrite #', 'topic readwrite sallyport/v1/#', ''];
  await writeFile(path, [mosquittoAcl(access, names), ...observer].join('\n'));
  await chmod(path, 0o600);
  return path;
}
