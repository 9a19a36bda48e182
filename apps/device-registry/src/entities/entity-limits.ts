import { Problem } from '@sallyport/protocol';

/** What entities may take. One device must not take what belongs to all. */
export const entityLimits = {
  /** Of the registry; about 30 MB of memory. */
  entities: 10_000,
  /** Below one `device/<name>`, itself included. Over MQTT, a device may register nothing else. */
  entitiesOfDevice: 200,
  /** Levels below the main device. */
  depth: 16,
  /** Fragments of one twin. Each is a message, and all are written in one transaction. */
  fragments: 400,
  /** Of the JSON of one twin; the store takes 1 MiB, and thin-edge.io takes bodies up to that. */
  twinBytes: 1024 * 1024 - 1024,
  /** Of twins and shown settings below one `device/<name>`. */
  deviceBytes: 4 * 1024 * 1024,
  /** Of all twins and shown settings. */
  bytes: 256 * 1024 * 1024,
  /** Of the settings that an entity shows. */
  configBytes: 64 * 1024,
} as const;

/** A limit of ours. The store being full is another thing: that passes. */
export function limitReached(detail: string): Problem {
  return new Problem('storage-full', detail, { extensions: { isEntityLimit: true } });
}

/** Whether a change was refused for what it is, so that it would be refused again. */
export function isFinal(error: unknown): error is Problem {
  if (!(error instanceof Problem)) return false;
  if (error.type === 'storage-full') return error.extensions['isEntityLimit'] === true;
  return error.status < 500 && error.type !== 'rate-limited';
}
