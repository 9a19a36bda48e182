import type { AdminClient } from '@sallyport/admin-client';
import { type DeviceId, type OcfUuid, ocfDeviceId, resourceHref } from '@sallyport/protocol';
import type { Command } from 'commander';
import type { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { schemaArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { type GlobalOptions, openSettings, optionsOf } from '../options.js';

/** The options of a command about devices of OCF, and the gateway that has them. */
export interface GatewayCall<Given extends GlobalOptions> {
  readonly given: Given;
  readonly gateway: AdminClient;
}

/** Reads the options of a command, and opens the admin API of the CoAP gateway. */
export async function openGateway<Schema extends z.ZodType<GlobalOptions>>(
  context: CliContext,
  command: Command,
  schema: Schema,
): Promise<GatewayCall<z.infer<Schema>>> {
  const given = optionsOf(command, schema);
  const settings = await openSettings(context, given);
  return { given, gateway: await adminClientFor('coap-gateway', settings, { context, options: given }) };
}

/** A resource of a device, for the path of a request. */
export interface ResourcePlace {
  readonly id: DeviceId;
  /** Without its first `/`. */
  readonly href: string;
}

export function placeOf(device: OcfUuid, href: string): ResourcePlace {
  return { id: ocfDeviceId(device), href: href.slice(1) };
}

/** Parser of an href. */
export const hrefArgument = schemaArgument(resourceHref);
