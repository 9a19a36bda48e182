import {
  type ConnectorDraft,
  type ConnectorSettingsChange,
  connectorRoutes,
  connectorSettings,
  domainName,
  type ResourceAlias,
  resourceAlias,
  resourceDefinition,
} from '@sallyport/protocol';
import { Argument, type Command, Option } from 'commander';
import { z } from 'zod';
import { schemaArgument, schemaArguments } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { aboutConnector, connectorOptions, openConnector } from './connector-call.js';
import { editDraft } from './draft.js';
import { onOff } from './provisioning.js';

type Edit = (draft: ConnectorDraft) => ConnectorSettingsChange;

async function change(context: CliContext, command: Command, edit: Edit): Promise<void> {
  const call = await openConnector(context, command, connectorOptions);
  const { registry, params } = call;
  await editDraft(call, (draft) =>
    registry.call(connectorRoutes.changeDraft, { params, ifMatch: draft.etag, body: edit(draft) }),
  );
}

/** `connector domain add | remove`: the names by which devices reach the connector. */
export function domainCommands(context: CliContext, parent: Command): void {
  const domain = parent.command('domain').description('names by which devices reach the connector (draft)');
  const name = () => new Argument('<name>', 'DNS name, in lower case').argParser(schemaArgument(domainName));
  aboutConnector(domain.command('add'))
    .description('add a name')
    .addArgument(name())
    .action((added: string, _options: unknown, command: Command) =>
      change(context, command, ({ document }) => ({ domains: [...new Set([...document.settings.domains, added])] })),
    );
  aboutConnector(domain.command('remove'))
    .description('take a name away')
    .addArgument(name())
    .action((removed: string, _options: unknown, command: Command) =>
      change(context, command, ({ document: { settings } }) => {
        if (!settings.domains.includes(removed)) throw noSuch(`name "${removed}"`, settings.domains);
        return { domains: settings.domains.filter((present) => present !== removed) };
      }),
    );
}

/** `connector hook set | remove`: who else decides about new devices. */
export function hookCommands(context: CliContext, parent: Command): void {
  const hook = parent.command('hook').description('a program of yours that is asked about each new device (draft)');
  const { url } = connectorSettings.shape.hook.unwrap().shape;
  aboutConnector(hook.command('set'))
    .description('ask this address before a new device gets in; no answer within 5 s is a refusal')
    .addArgument(new Argument('<url>', 'http or https').argParser(schemaArgument(url)))
    .action((wanted: string, _options: unknown, command: Command) =>
      change(context, command, () => ({ hook: { url: wanted } })),
    );
  aboutConnector(hook.command('remove'))
    .description('ask nobody')
    .action((_options: unknown, command: Command) => change(context, command, () => ({ hook: null })));
}

const resourceOptions = z.object({
  format: resourceDefinition.shape.format,
  unit: z.string().optional(),
  settable: z.boolean().default(false),
  allow: z.array(z.string()).optional(),
});

/** `connector resource set | remove`: what is known of the values that devices send. */
export function resourceCommands(context: CliContext, parent: Command): void {
  const resource = parent.command('resource').description('what is known of the values of devices (draft)');
  const alias = () => new Argument('<alias>', 'name of the value').argParser(schemaArgument(resourceAlias));
  aboutConnector(resource.command('set'))
    .description('say how a value is written, and whether devices may be told to change it')
    .addArgument(alias())
    .addOption(
      new Option('--format <format>', 'how it is written')
        .choices(resourceDefinition.shape.format.options)
        .default('string'),
    )
    .option('--unit <unit>', 'such as °C')
    .addOption(onOff('--settable [on|off]', 'devices may be told to change it'))
    .option(
      '--allow <value>',
      'a value, or for numbers a range such as 9-11; can be repeated',
      schemaArguments(z.string()),
    )
    .action((set: ResourceAlias, _options: unknown, command: Command) => {
      const { format, unit, settable, allow } = resourceOptions.parse(command.opts());
      const definition = {
        format,
        settable,
        ...(unit === undefined ? {} : { unit }),
        ...(allow === undefined ? {} : { allowed: allow }),
      };
      return change(context, command, () => ({ resources: { [set]: definition } }));
    });
  aboutConnector(resource.command('remove'))
    .description('forget what is known of a value')
    .addArgument(alias())
    .action((removed: ResourceAlias, _options: unknown, command: Command) =>
      change(context, command, ({ document }) => {
        const known = Object.keys(document.settings.resources);
        if (!known.includes(removed)) throw noSuch(`resource "${removed}"`, known);
        return { resources: { [removed]: null } };
      }),
    );
}

function noSuch(what: string, present: readonly string[]): Failure {
  return new Failure(
    `The draft has no ${what}.`,
    present.length === 0 ? 'It has none at all.' : `It has: ${present.join(', ')}.`,
  );
}
