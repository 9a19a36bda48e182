import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { brokerConfigCommand } from './broker-config.js';
import { pubCommand } from './pub.js';
import { subCommand } from './sub.js';

/** `mqtt`: talk to the broker as this device does, and make the configuration of a Mosquitto. */
export function mqttCommand(context: CliContext, program: Command): void {
  const mqtt = program
    .command('mqtt')
    .description('publish and subscribe at the MQTT broker of this device, and configure it');
  for (const add of [pubCommand, subCommand, brokerConfigCommand]) add(context, mqtt);
}
