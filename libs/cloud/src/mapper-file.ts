import { valueTypes } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import type { TomlFile } from './toml-file.js';

const path = z
  .string({ error: 'must be a path' })
  .min(1)
  .max(4096)
  .regex(/^\P{Cc}+$/u, { error: 'must be a path' });
const flag = z.boolean({ error: 'must be true or false' });

const device = z.object({
  id: valueTypes.deviceId.schema.optional(),
  cert_path: path.optional(),
  key_path: path.optional(),
  root_cert_path: path.optional(),
});

const tls = z.object({
  enable: z.union([flag, z.literal('auto'), z.stringbool({ truthy: ['true'], falsy: ['false'] })], {
    error: 'must be true, false or "auto"',
  }),
});

const bridge = z.object({
  clean_session: flag.default(false),
  keepalive_interval: valueTypes.positiveDuration.schema.optional(),
  max_payload_size: valueTypes.payloadLimit.schema.optional(),
  tls: tls.default({ enable: 'auto' }),
  topic_prefix: valueTypes.topicPrefix.schema.optional(),
});

const mapper = z.object({
  url: valueTypes.hostAndPort.schema,
  auth_method: z
    .enum(['auto', 'certificate', 'password', 'basic'], { error: 'must be auto, certificate or password' })
    .default('auto'),
  credentials_path: path.optional(),
  cloud_type: z.string().optional(),
  device: device.default({}),
  bridge: bridge.default({ clean_session: false, tls: { enable: 'auto' } }),
});

/**
 * The settings of a user-defined mapper. A mapper.toml may have any other key too: bridge rules refer to them.
 * Paths are as written; durations are seconds, sizes bytes.
 */
export type MapperSettings = z.output<typeof mapper>;

/**
 * Checks the content of a mapper.toml.
 *
 * @throws Problem `config-invalid`: all faults at once, each with file and line, the name of the key and what it must be
 */
export function parseMapper(file: TomlFile): MapperSettings {
  const outcome = mapper.safeParse(file.table);
  if (outcome.success) return outcome.data;
  const faults = outcome.error.issues.map(({ path, message }) => {
    const key = path.map(String);
    return `${file.placeOf(key)}: ${key.join('.')} ${message}.`;
  });
  throw new Problem('config-invalid', faults.join('\n'));
}
