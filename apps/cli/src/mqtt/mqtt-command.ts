import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { pubCommand } from './pub.js';
import { subCommand } from './sub.js';

/** `mqtt`: talk to the broker as this device does. */
export function mqttCommand(context: CliContext, program: Command): void {
  const mqtt = program.command('mqtt').description('publish and subscribe at the MQTT broker of this device');
  for (const add of [pubCommand, subCommand]) add(context, mqtt);
}
