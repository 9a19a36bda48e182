import { quoted } from '@sallyport/config';
import { type ClientCaChange, type ClientCaDescription, connectorRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import {
  aboutConnector,
  type ConnectorCall,
  commandFor,
  connectorOptions,
  openConnector,
} from '../connector/connector-call.js';
import { counted } from '../connector/draft.js';
import { Failure } from '../failure.js';
import { writeNotes } from '../output.js';
import { changeCa } from './adding.js';
import { chosenCa, clientCaArgument } from './chosen-ca.js';

const leverOptions = connectorOptions.extend({
  stopNew: z.boolean().default(false),
  blockLogins: z.boolean().default(false),
  cutNow: z.boolean().default(false),
});
type Lever = 'stopNew' | 'blockLogins' | 'cutNow';

/** What each lever changes, and what it means for the devices of the Client CA. */
const levers: Readonly<Record<Lever, { flag: string; change: ClientCaChange; meaning: string }>> = {
  stopNew: {
    flag: '--stop-new',
    change: { provision: false },
    meaning: 'new devices are refused; known devices go on',
  },
  blockLogins: {
    flag: '--block-logins',
    change: { provision: false, login: false, sessions: 'keep' },
    meaning: 'all its devices are refused when they connect; open connections stay',
  },
  cutNow: {
    flag: '--cut-now',
    change: { provision: false, login: false, sessions: 'end' },
    meaning: 'all its devices are refused, and open connections end at once',
  },
};

/** `client-ca disable | enable`: three levers, from gentle to harsh, and the way back. */
export function leverCommands(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('disable'))
    .description('stop new devices of a Client CA, or block its logins, or cut its connections (draft)')
    .argument('<ca>', clientCaArgument)
    .option('--stop-new', levers.stopNew.meaning)
    .option('--block-logins', levers.blockLogins.meaning)
    .option('--cut-now', levers.cutNow.meaning)
    .action(async (ca: string, _options: unknown, command: Command) =>
      disable(await openConnector(context, command, leverOptions), ca),
    );
  aboutConnector(parent.command('enable'))
    .description('let new and known devices of a Client CA in again (draft)')
    .argument('<ca>', clientCaArgument)
    .action(async (ca: string, _options: unknown, command: Command) => {
      const call = await openConnector(context, command, connectorOptions);
      const { id } = await chosenCa(call, ca);
      await changeCa(call, id, { provision: true, login: true, sessions: 'end' });
    });
}

async function disable(call: ConnectorCall<z.infer<typeof leverOptions>>, text: string): Promise<void> {
  const { id, label } = await chosenCa(call, text);
  const { devices } = await call.registry.call(connectorRoutes.showClientCa, { params: { ...call.params, id } });
  const { given } = call;
  const chosen = (['stopNew', 'blockLogins', 'cutNow'] as const).filter((lever) => given[lever]);
  const [lever] = chosen;
  if (lever === undefined || chosen.length > 1) throw leverQuestion(call, label, devices);
  writeNotes(
    call.context,
    [`${devicesText(label, devices)} With ${levers[lever].flag}, ${levers[lever].meaning}.`],
    given.json,
  );
  await changeCa(call, id, levers[lever].change);
}

function leverQuestion(call: ConnectorCall, label: string, devices: ClientCaDescription['devices']): Failure {
  const ways = Object.values(levers).map(
    ({ flag, meaning }) => `  ${commandFor(call, `client-ca disable ${quoted(label)} ${flag}`)}\n      ${meaning}`,
  );
  return new Failure(`${devicesText(label, devices)} Nothing has been changed.`, `Choose one:\n${ways.join('\n')}`);
}

/** How many devices a Client CA concerns. */
export function devicesText(label: string, { total, active }: ClientCaDescription['devices']): string {
  return `Client CA "${label}" vouches for ${counted(total, 'device')}; ${active} of them may log in now.`;
}
