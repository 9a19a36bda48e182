import { addAbortListener } from 'node:events';
import type { Settings } from '@sallyport/config';
import { openMqttSession } from '@sallyport/mqtt/session';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson } from '../output.js';
import { qos, qosOption, topicArgument } from './arguments.js';
import { brokerProblem, connectionEnded } from './broker-problem.js';
import { clientConnection } from './client-connection.js';

// A broker that does not answer the CONNECT is given up earlier.
const deadlineMs = 30_000;

const options = globalOptions.extend({ qos, retain: z.boolean().default(false), base64: z.boolean().default(false) });

const unacknowledged =
  'before it acknowledged the message. It may not let this client publish there: its log says why.';

interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** `mqtt pub`: publishes one message. Exit code 0: the broker has it (at QoS 0: it was sent). */
export function pubCommand(context: CliContext, parent: Command): void {
  parent
    .command('pub')
    .description('publish a message, with the settings mqtt.client.* of this device')
    .argument('<topic>', 'topic to publish to', topicArgument)
    .argument('<message>', 'the message')
    .addOption(qosOption('1'))
    .option('-r, --retain', 'let the broker keep the message for those who subscribe later')
    .option('--base64', 'the message is base64, and is decoded before it is published')
    .action(async (topic: string, message: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const payload = given.base64 ? decoded(command, message) : Buffer.from(message);
      const { qos, retain } = given;
      await publish(context, await openSettings(context, given), { topic, payload, qos, retain });
      if (given.json) writeJson(context, { topic, bytes: payload.length, qos, retained: retain });
    });
}

function decoded(command: Command, message: string): Buffer {
  if (!z.base64().safeParse(message).success) command.error('the message is no base64');
  return Buffer.from(message, 'base64');
}

/** One try: a script decides itself whether to try again. */
async function publish(context: CliContext, settings: Settings, publication: Publication): Promise<void> {
  const { topic, payload, qos, retain } = publication;
  const { signal } = context;
  const connection = clientConnection(context, settings, 'pub');
  const { promise: failed, reject } = Promise.withResolvers<never>();
  using _listener = addAbortListener(signal, () => reject(signal.reason));
  const session = openMqttSession(connection, {
    isDurable: false,
    onFault: reject,
    onDisconnected: () => reject(connectionEnded(connection, unacknowledged)),
  });
  try {
    await Promise.race([session.publish(topic, payload, { qos, retain, deadlineMs }), failed]);
  } catch (fault) {
    signal.throwIfAborted();
    throw brokerProblem(fault, connection);
  } finally {
    await session.close();
  }
}
