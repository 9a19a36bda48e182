import { resolve } from 'node:path';
import { configSchema, loadSettings, type Settings } from '@sallyport/config';
import { errorCode, readTextIfPresent } from '@sallyport/files';
import {
  canonicalDeviceId,
  canonicalUuid,
  type DeviceId,
  deviceId,
  type HostName,
  type OcfUuid,
  ocfUuidOf,
  Problem,
  readHost,
} from '@sallyport/protocol';
import { certificatesFromPem } from '@sallyport/x509';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import type { CliContext } from './cli-context.js';
import { type LogLevel, logLevels } from './command-log.js';
import { writeWarnings } from './output.js';

/** Options every command takes. */
export const globalOptions = z.object({
  json: z.boolean().default(false),
  configDir: z.string().optional(),
  debug: z.boolean().default(false),
  logLevel: z.enum(logLevels).optional(),
  adminUrl: z.string().optional(),
  adminCert: z.string().optional(),
  adminKey: z.string().optional(),
  adminCa: z.string().optional(),
});
export type GlobalOptions = z.infer<typeof globalOptions>;

/** The options a command was called with, its own and the global ones. */
export function optionsOf<Options extends z.ZodType>(command: Command, schema: Options): z.infer<Options> {
  return schema.parse(command.optsWithGlobals());
}

/**
 * The settings in force for a command. Warnings about them go to stderr.
 *
 * @param choice profile of the cloud the settings below `c8y` are those of
 * @throws Problem `config-invalid`: every fault of the settings at once
 * @throws Problem `not-found`: nothing is configured for the profile
 */
export async function openSettings(
  context: CliContext,
  options: GlobalOptions,
  choice: { readonly profile?: string } = {},
): Promise<Settings> {
  const { profile } = choice;
  const source = { ...settingsSource(context, options), ...(profile === undefined ? {} : { profile }) };
  const { settings, warnings } = await loadSettings(source);
  context.log.debug(`configuration directory: ${settings.directory}`);
  writeWarnings(context, warnings);
  return settings;
}

/** Where settings come from: the arguments of `loadSettings`. */
export function settingsSource({ env, cwd }: CliContext, { configDir }: GlobalOptions) {
  return { env, cwd, readDeviceId: nameInCertificate, ...(configDir === undefined ? {} : { configDir }) };
}

/** Undefined also for a file that cannot be read: only a command that needs it reports that. */
async function nameInCertificate(path: string): Promise<string | undefined> {
  try {
    const [leaf] = certificatesFromPem((await readTextIfPresent(path)) ?? '');
    return leaf?.subject.commonNames[0];
  } catch (fault) {
    const isUnreadable = fault instanceof Problem || errorCode(fault) !== undefined;
    if (isUnreadable) return undefined;
    throw fault;
  }
}

/** Parser of `--log-level`; upper and lower case are the same, as in thin-edge.io. */
export function logLevelArgument(text: string): LogLevel {
  const level = logLevels.find((name) => name === text.toLowerCase());
  if (level !== undefined) return level;
  throw new InvalidArgumentError(`It is one of ${logLevels.join(', ')}.`);
}

/** How much to log. A level overrides `--debug`, as in thin-edge.io. */
export function logLevelOf({ debug, logLevel }: GlobalOptions): LogLevel {
  return logLevel ?? (debug ? 'debug' : 'info');
}

/** A file argument as an absolute path. */
export function absolutePath({ cwd }: CliContext, path: string): string {
  return resolve(cwd, path);
}

/** Parser of a device id argument. The name of an OCF device may be in capitals. */
export function deviceIdArgument(text: string): DeviceId {
  const result = deviceId.safeParse(text);
  if (!result.success) throw new InvalidArgumentError(`"${text}" ${result.error.issues[0]?.message ?? ''}.`);
  return canonicalDeviceId(result.data);
}

/** Parser of the id of an OCF device: a UUID, also with `uuid:` before it, in lower case or capitals. */
export function ocfUuidArgument(text: string): OcfUuid {
  const uuid = canonicalUuid(text) ?? ocfUuidOf(text);
  if (uuid === undefined) throw new InvalidArgumentError(`"${text}" is not a UUID (8-4-4-4-12 hexadecimal digits).`);
  return uuid;
}

/** Parser of a duration argument such as `30s`, `10m` or `90d`; in seconds. */
export function durationArgument(text: string): number {
  const result = configSchema.shape['certificate.validity.minimum_duration'].safeParse(text);
  if (!result.success) throw new InvalidArgumentError(`"${text}" is no duration: write it as 30s, 10m, 24h or 90d.`);
  return result.data;
}

/** Parser of an option that names a host and may be given several times. */
export function hostArgument(text: string, earlier: readonly HostName[] | undefined): HostName[] {
  const { host, fault } = readHost(text);
  if (host === undefined) throw new InvalidArgumentError(`"${text}" ${fault}.`);
  return [...(earlier ?? []), host];
}
