import { readTextIfPresent } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import type { CloudCredentials } from './cloud-connection.js';
import { parseTomlFile } from './toml-file.js';

// MQTT 3.1.1 §3.1.3.4 and §3.1.3.5: both have a length of two bytes. Control characters would end an HTTP header.
const text = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^\P{Cc}+$/u);
const credentials = z.object({ username: text, password: text });

/** The file with user name and password, and the table they are in. */
export interface CredentialsFile {
  readonly path: string;
  /** `c8y` for Cumulocity, `credentials` for a user-defined mapper. */
  readonly table: string;
}

/**
 * Reads user name and password.
 *
 * @throws Problem `config-invalid`: the file is missing or does not hold both. The text names the file and quotes nothing.
 */
export async function readCredentials({ path, table }: CredentialsFile): Promise<CloudCredentials> {
  const content = await readTextIfPresent(path);
  if (content === undefined)
    throw new Problem(
      'config-invalid',
      `There is no file ${path} with user name and password. Make it, readable only for the service: a table [${table}] with username and password.`,
    );
  const outcome = credentials.safeParse(parseTomlFile(content, path).table[table]);
  if (outcome.success) return outcome.data;
  const missing = [...new Set(outcome.error.issues.map(({ path: [name = ''] }) => String(name)))].filter(Boolean);
  const what =
    missing.length === 0 ? `no table [${table}]` : `no usable ${missing.join(' and ')} in its table [${table}]`;
  throw new Problem(
    'config-invalid',
    `${path} has ${what}. Both username and password must be there, as text of one line with 1 to 1024 characters.`,
  );
}
