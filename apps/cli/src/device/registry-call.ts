import type { AdminClient } from '@sallyport/admin-client';
import type { Command } from 'commander';
import type { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { type GlobalOptions, openSettings, optionsOf } from '../options.js';

/** The options of a command about devices, and the registry that has them. */
export interface RegistryCall<Given extends GlobalOptions> {
  readonly context: CliContext;
  readonly given: Given;
  readonly registry: AdminClient;
}

/** Reads the options of a command, and opens the admin API of the registry. */
export async function openRegistry<Schema extends z.ZodType<GlobalOptions>>(
  context: CliContext,
  command: Command,
  schema: Schema,
): Promise<RegistryCall<z.infer<Schema>>> {
  const given = optionsOf(command, schema);
  const settings = await openSettings(context, given);
  const registry = await adminClientFor('device-registry', settings, { context, options: given });
  return { context, given, registry };
}
