import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { cborCommand } from './cbor.js';

/** `coap`: devices of OCF. */
export function coapCommand(context: CliContext, program: Command): void {
  const coap = program.command('coap').description('devices of OCF, which connect over CoAP');
  for (const add of [cborCommand]) add(context, coap);
}
