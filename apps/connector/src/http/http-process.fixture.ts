// The HTTP device API behind the secure listener in a process of its own, without a registry: for benchmarks. The first
// IPC message has its options, and it answers with its port.
import { join } from 'node:path';
import { connectorName, defaultConnector, initialConnectorSettings } from '@sallyport/protocol';
import { openLog } from '@sallyport/runtime';
import { openSqliteStore } from '@sallyport/store';
import { type AdmissionPort, readSecurityFiles, SecureListener } from '@sallyport/tls';
import { type Micros, Twin } from '@sallyport/twin';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { ConnectorDirectory } from '../front/connector-directory.js';
import { DeviceValues } from '../values/device-values.js';
import { ContentCalls } from './content-calls.js';
import { Contents } from './contents.js';
import { DeviceApi } from './device-api.js';
import { DeviceConnection } from './device-connection.js';
import { HttpMetrics } from './http-metrics.js';
import { LongPolls } from './long-polls.js';
import { ValueCalls } from './value-calls.js';

const processOptions = z.strictObject({
  directory: z.string(),
  certPath: z.string(),
  keyPath: z.string(),
  caPath: z.string(),
  /** Whether values are stored. Without that, the rest of a request is what is measured. */
  keeps: z.boolean(),
});

/** Stores nothing. */
class ForgetfulTwin extends Twin {
  override async write(): Promise<Micros> {
    return 0;
  }
}

const admission: AdmissionPort = {
  admit: async ({ deviceId, kind }) => ({ outcome: 'admitted', deviceId, kind }),
};

async function serve(message: unknown): Promise<number> {
  const { directory, keeps, ...paths } = processOptions.parse(message);
  const keys = { cert: 'connector.cert_path', key: 'connector.key_path', ca: 'http.ca_path' };
  const { settings: security } = await readSecurityFiles({ ...paths, keys });
  const store = await openSqliteStore({ file: join(directory, 'values.db') });
  const clock = { now: () => new Date() };
  const values = new DeviceValues(keeps ? new Twin(store, { clock }) : new ForgetfulTwin(store, { clock }));
  const api = apiOf(values, directory);
  const listener = new SecureListener({
    ...{ name: 'connector', host: '127.0.0.1', port: 0, security, admission },
    handler: { httpStream: (connection) => new DeviceConnection(connection, api).open() },
    connectorOf: () => defaultConnector,
    events: { onRefusal: (refusal) => console.error(refusal), onWarning: (text) => console.error(text) },
  });
  return (await listener.listen()).port;
}

function apiOf(values: DeviceValues, directory: string): DeviceApi {
  const { provisioning, pki, resources } = initialConnectorSettings;
  const settings = { domains: [], provisioning, pki, resources };
  const connectors = [{ name: connectorName.parse(defaultConnector), settings, clientCas: [] }];
  const known = ConnectorDirectory.of({ version: 1, connectors });
  const nobody = async () => ({ outcome: 'refused', reason: 'admission-unavailable' }) as const;
  const contents = new Contents(() => directory);
  return new DeviceApi({
    directory: () => known,
    credentials: { authenticate: nobody, activate: nobody },
    values: new ValueCalls({ values, polls: new LongPolls({ values, nowMs: Date.now }) }),
    contents: new ContentCalls({ contents, recordFetch: async () => undefined }),
    metrics: new HttpMetrics(new Registry()),
    log: openLog({ level: 'silent' }),
    nowMs: Date.now,
  });
}

process.once('message', (message) => {
  serve(message).then(
    (port) => process.send?.({ port }),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once('disconnect', () => process.exit(0));
