import { addAbortListener } from 'node:events';
import type { Settings } from '@sallyport/config';
import { type MqttMessage, openMqttSession } from '@sallyport/mqtt/session';
import type { Problem } from '@sallyport/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { durationArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { filterArgument, qos, qosOption } from './arguments.js';
import { brokerProblem, connectionEnded, isLasting } from './broker-problem.js';
import { clientConnection } from './client-connection.js';
import { messageLine } from './message-line.js';

// Longer than Node can wait (25 days) is as good as for ever.
const longestTimerMs = 2 ** 31 - 1;

const options = globalOptions.extend({
  qos,
  topic: z.boolean(),
  base64: z.boolean().default(false),
  duration: z.number().optional(),
  count: z.number().optional(),
  retainedOnly: z.boolean().default(false),
});
type Options = z.infer<typeof options>;

/**
 * `mqtt sub`: prints messages as they come, one line each, until Ctrl-C. It connects again when the connection is lost.
 * Exit code 1: the broker refuses this client, or could not be reached for the whole `--duration`.
 */
export function subCommand(context: CliContext, parent: Command): void {
  parent
    .command('sub')
    .description('print messages as they come, with the settings mqtt.client.* of this device')
    .argument(
      '<filter>',
      'topics to subscribe to; + is any one level, # at the end any number of levels',
      filterArgument,
    )
    .addOption(qosOption('0'))
    .option('--no-topic', 'do not print the topics')
    .option('--base64', 'print the messages in base64')
    .option('-W, --duration <duration>', 'end after this time: 60s, 1h', durationArgument)
    .option('-C, --count <number>', 'end after so many messages; 0: never', countArgument)
    .option('--retained-only', 'print only messages that the broker has kept, and end at the first other one')
    .action(async (filter: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      await subscribe(context, await openSettings(context, given), { filter, given });
    });
}

function countArgument(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a number of messages.');
  return Number(text);
}

function durationMs(seconds: number): number {
  return Math.min(seconds * 1000, longestTimerMs);
}

async function subscribe(
  context: CliContext,
  settings: Settings,
  { filter, given }: { filter: string; given: Options },
): Promise<void> {
  const connection = clientConnection(context, settings, 'sub');
  const printer = new Printer(context, given);
  const { promise: over, resolve, reject } = Promise.withResolvers<void>();
  const session = openMqttSession(connection, {
    isDurable: false,
    filters: [{ filter, qos: given.qos }],
    onMessage: (message) => {
      if (!printer.print(message)) resolve();
    },
    onConnected: () => printer.connected(filter),
    onDisconnected: () => printer.lost(connectionEnded(connection, 'of this subscription.')),
    onFault: (fault) => {
      const problem = brokerProblem(fault, connection);
      if (isLasting(problem)) reject(problem);
      else printer.lost(problem);
    },
  });
  using _interruption = addAbortListener(context.signal, () => resolve());
  const timer = given.duration === undefined ? undefined : setTimeout(resolve, durationMs(given.duration));
  try {
    await over;
  } finally {
    clearTimeout(timer);
    printer.finish();
    await session.close();
  }
  if (printer.neverConnected !== undefined && !context.signal.aborted) throw printer.neverConnected;
}

/** Prints messages, and warns once of each reason why none come. */
class Printer {
  private printed = 0;
  private isDone = false;
  private wasConnected = false;
  private problem: Problem | undefined;

  constructor(
    private readonly context: CliContext,
    private readonly given: Options,
  ) {}

  /** The reason why there was no connection at all; undefined when there was one. */
  get neverConnected(): Problem | undefined {
    return this.wasConnected ? undefined : this.problem;
  }

  /** @returns false when no more are wanted. */
  print(message: MqttMessage): boolean {
    const { count = 0, retainedOnly } = this.given;
    this.isDone ||= retainedOnly && !message.isRetained;
    if (this.isDone) return false;
    this.context.stdout.write(messageLine(message, { ...this.given, isTerminal: this.context.stdout.isTTY === true }));
    this.printed += 1;
    this.isDone = this.printed === count;
    return !this.isDone;
  }

  connected(filter: string): void {
    if (this.problem !== undefined) this.context.log.warn(`Connected; messages to ${filter} come again.`);
    else this.context.log.debug(`subscribed to ${filter}`);
    this.wasConnected = true;
    this.problem = undefined;
  }

  /** The session is about to end because we want it to. */
  finish(): void {
    this.isDone = true;
  }

  lost(problem: Problem): void {
    if (this.isDone) return;
    if (this.problem?.message !== problem.message) this.context.log.warn(`${problem.message} Trying again.`);
    this.problem = problem;
  }
}
