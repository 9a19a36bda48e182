import {
  type ConnectorDescription,
  type ConnectorSettings,
  connectorRoutes,
  usualNewcomerRate,
} from '@sallyport/protocol';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { clientCaTable } from '../client-ca/client-ca-table.js';
import { labelledLines, tableLines, writeJson, writeLines } from '../output.js';
import { aboutConnector, type ConnectorCall, commandFor, connectorOptions, openConnector } from './connector-call.js';
import { counted } from './draft.js';

/** `connector show`: what is in force. */
export function showCommand(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('show'))
    .description('show the settings and the Client CAs that are in force')
    .action(async (_options: unknown, command: Command) => {
      const call = await openConnector(context, command, connectorOptions);
      const connector = await call.registry.call(connectorRoutes.showConnector, { params: call.params });
      if (call.given.json) writeJson(context, connector);
      else writeLines(context, connectorLines(call, connector));
    });
}

function connectorLines(call: ConnectorCall, { document, drafts }: ConnectorDescription): string[] {
  const { name, version, settings, clientCas } = document;
  const resources = Object.entries(settings.resources);
  return [
    ...labelledLines([['Connector', name], ['Version', String(version)], ...settingFields(settings)]),
    '',
    ...(clientCas.length === 0
      ? [`No Client CA. To add one: ${commandFor(call, 'client-ca add FILE')}`]
      : clientCaTable(clientCas, call.context.now())),
    ...(resources.length === 0 ? [] : ['', ...resourceTable(settings)]),
    ...drafts.map(
      ({ actor, basedOn, changedAt }) => `Draft of ${actor}, begun on version ${basedOn}, last changed ${changedAt}.`,
    ),
  ];
}

function settingFields({ domains, provisioning, pki, identity, quota, hook }: ConnectorSettings) {
  const { self, auth, activationHours, allowedNetworks, generateIdentity } = provisioning;
  return [
    ['Domains', domains.join(', ') || 'none'],
    ['Self-provisioning', onOffText(self)],
    ['Authentication', auth],
    ['Allow list waits', counted(activationHours, 'hour')],
    ['New devices from', allowedNetworks.join(', ') || 'anywhere'],
    ['Generated identities', onOffText(generateIdentity)],
    ['PKI', onOffText(pki.enabled)],
    ['Own CA accepted', onOffText(pki.acceptsSite)],
    ['Pinning', pki.pinning],
    [
      'Former certificate',
      pki.keepFormerDays === 0 ? 'refused at once' : `good for ${counted(pki.keepFormerDays, 'day')}`,
    ],
    ['clientAuth required', onOffText(pki.requireClientAuth)],
    ['Clock skew', `${pki.notBeforeSkewSeconds} s`],
    ['Identity', identityText(identity)],
    ['Most devices', String(quota.devices ?? 'no limit')],
    ['New in a minute', newPerMinuteText(quota)],
    ['Hook', hook?.url ?? 'none'],
  ] as const;
}

function newPerMinuteText({ newPerMinute }: ConnectorSettings['quota']): string {
  const { burst, perSecond } = usualNewcomerRate;
  return newPerMinute === undefined ? `${perSecond * 60}, and ${burst} at once` : String(newPerMinute);
}

function onOffText(isOn: boolean): string {
  return isOn ? 'on' : 'off';
}

function identityText({ type, prefix, length, casing }: ConnectorSettings['identity']): string {
  return [
    ...(prefix === undefined ? [] : [`"${prefix}", then`]),
    type,
    ...(length === undefined ? [] : [`of ${counted(length, 'character')}`]),
    casing === 'mixed' ? 'in any case' : `in ${casing} case`,
  ].join(' ');
}

function resourceTable({ resources }: ConnectorSettings): string[] {
  return tableLines(
    ['RESOURCE', 'FORMAT', 'UNIT', 'SETTABLE', 'ALLOWED'],
    Object.entries(resources).map(([alias, { format, unit = '-', settable, allowed = [] }]) => [
      alias,
      format,
      unit,
      settable ? 'yes' : 'no',
      allowed.join(', ') || 'any',
    ]),
  );
}
