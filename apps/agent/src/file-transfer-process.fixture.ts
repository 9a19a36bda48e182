// Only the file transfer service, in a separate process: for tests that kill it, and for benchmarks. The first IPC
// message contains its options, and it answers with its port.
import { peerOf, readSecurityFiles, SecureListener } from '@sallyport/tls';
import { z } from 'zod';
import { FileStorage } from './file-storage/file-storage.js';
import { fileTransferHandler } from './file-transfer/file-transfer-handler.js';
import { anyPath, ownerRule, peerRule } from './file-transfer/path-ownership.js';

const processOptions = z.strictObject({
  directory: z.string(),
  certPath: z.string().optional(),
  keyPath: z.string().optional(),
  caPath: z.string().optional(),
  durability: z.enum(['power-cut', 'process-end']).optional(),
  limits: z.strictObject({ bytes: z.number().optional(), entries: z.number().optional() }).optional(),
  /** The user it changes to, which only root can do; it does not change when absent. */
  uid: z.number().optional(),
});
export type ProcessOptions = z.input<typeof processOptions>;

async function serve(message: unknown): Promise<number> {
  const { directory, durability = 'power-cut', limits, uid, ...paths } = processOptions.parse(message);
  if (uid !== undefined) becomeUser(uid);
  const keys = { cert: 'http.cert_path', key: 'http.key_path', ca: 'http.ca_path' };
  const { settings } = await readSecurityFiles({ ...paths, keys });
  // The same as in the agent.
  const bounds = {
    ...(limits?.bytes === undefined ? {} : { bytes: limits.bytes }),
    entries: limits?.entries ?? 100_000,
  };
  const ownersJournal = `${directory}-owners.jsonl`;
  const storage = await FileStorage.open({ directory, durability, nowMs: Date.now, limits: bounds, ownersJournal });
  const onFault = (error: unknown) => console.error(error);
  const handler = fileTransferHandler({
    storage,
    access: anyPath,
    ownerOf: ownerRule(peerOf),
    peerKeyOf: peerRule(peerOf),
    nowMs: Date.now,
    onFault,
  });
  const listener = new SecureListener({
    ...{ name: 'http', host: '127.0.0.1', port: 0, security: settings, handler: { http: handler } },
    admission: { admit: async ({ deviceId, kind }) => ({ outcome: 'admitted', deviceId, kind }) },
    events: { onRefusal: (refusal) => console.error(refusal), onWarning: (text) => console.error(text) },
  });
  return (await listener.listen()).port;
}

// Change the user only after Node has started: that user may not be able to read a Node in our clone.
function becomeUser(uid: number): void {
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
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
