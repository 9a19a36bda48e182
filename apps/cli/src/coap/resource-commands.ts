import { quoted } from '@sallyport/config';
import { coapResourceRoutes, type OcfUuid, type ResourceAnswer, type ResourceHref } from '@sallyport/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { numberArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, ocfUuidArgument } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { hrefArgument, openGateway, placeOf } from './gateway-call.js';

const ttl = z.number().min(0).max(604_800);
const waitingOptions = globalOptions.extend({ ttl: ttl.optional(), interface: z.string().optional() });
const getOptions = waitingOptions.extend({ twin: z.boolean().optional() });
type WaitingOptions = z.infer<typeof waitingOptions>;

const { retrieveResource, updateResource, createResource, deleteResource } = coapResourceRoutes;

/** `coap get | set | create | delete`: the resources of a device, over its own connection. */
export function resourceAccessCommands(context: CliContext, parent: Command): void {
  forResource(parent, 'get', 'ask a device for a resource')
    .option('--twin', 'the last value that the device told, without asking it')
    .action(async (device: OcfUuid, href: ResourceHref, _options: unknown, command: Command) => {
      const { given, gateway } = await openGateway(context, command, getOptions);
      const query = { ...waitingOf(given), ...(given.twin === true ? { twin: 'true' as const } : {}) };
      const answer = await gateway.call(retrieveResource, { params: placeOf(device, href), query });
      writeAnswer(context, answer, { device, asJson: given.json });
    });
  changeCommand(context, { parent, name: 'set', description: 'update a resource of a device', route: updateResource });
  const create = 'create a resource in a collection of a device';
  changeCommand(context, { parent, name: 'create', description: create, route: createResource });
  forResource(parent, 'delete', 'delete a resource of a device').action(
    async (device: OcfUuid, href: ResourceHref, _options: unknown, command: Command) => {
      const { given, gateway } = await openGateway(context, command, waitingOptions);
      const answer = await gateway.call(deleteResource, { params: placeOf(device, href), query: waitingOf(given) });
      writeAnswer(context, answer, { device, asJson: given.json });
    },
  );
}

interface ChangeCommand {
  readonly parent: Command;
  readonly name: string;
  readonly description: string;
  readonly route: typeof updateResource | typeof createResource;
}

function changeCommand(context: CliContext, { parent, name, description, route }: ChangeCommand): void {
  forResource(parent, name, description)
    .argument('<json>', 'such as {"state":true}', jsonArgument)
    .action(
      async (
        ...[device, href, body, _options, command]: [OcfUuid, ResourceHref, z.infer<typeof json>, unknown, Command]
      ) => {
        const { given, gateway } = await openGateway(context, command, waitingOptions);
        const answer = await gateway.call(route, { params: placeOf(device, href), query: waitingOf(given), body });
        writeAnswer(context, answer, { device, asJson: given.json });
      },
    );
}

function forResource(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .argument('<device>', 'UUID of the device', ocfUuidArgument)
    .argument('<href>', 'the resource, such as /light/1', hrefArgument)
    .option('--interface <name>', 'an interface of the resource, such as oic.if.baseline')
    .option(
      '--ttl <seconds>',
      'how long to wait for a device that is away; 0: for ever (default: 10)',
      numberArgument(ttl),
    );
}

function waitingOf({ ttl: seconds, interface: resourceInterface }: WaitingOptions) {
  return {
    ...(seconds === undefined ? {} : { ttl: seconds }),
    ...(resourceInterface === undefined ? {} : { resourceInterface }),
  };
}

const json = z.json();

function jsonArgument(text: string): z.infer<typeof json> {
  try {
    return json.parse(JSON.parse(text));
  } catch {
    throw new InvalidArgumentError(`"${text}" is not JSON: write it as '{"state":true}'.`);
  }
}

function writeAnswer(
  context: CliContext,
  answer: ResourceAnswer,
  { device, asJson }: { readonly device: OcfUuid; readonly asJson: boolean },
): void {
  if (asJson) writeJson(context, answer);
  else writeLines(context, [answerText(answer, `${context.programName} coap commands ${quoted(device)}`)]);
}

function answerText({ status, content, code }: ResourceAnswer, commands: string): string {
  if (status === 'pending') return `The device has not answered yet. The command waits: ${commands}`;
  return content === undefined ? `Done (${code ?? 'kept'}).` : JSON.stringify(content);
}
