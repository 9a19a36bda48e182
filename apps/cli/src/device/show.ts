import { type DeviceDescription, type DeviceId, refusals, registryRoutes } from '@sallyport/protocol';
import { hasBegun, hasEnded } from '@sallyport/x509';
import type { Command } from 'commander';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { labelledLines, tableLines, writeJson, writeLines } from '../output.js';
import { recentSections } from './recent.js';
import { tagTexts } from './tag.js';

/** `device show`: one device, its certificates, what happened to it, and why it was refused. */
export function showCommand(context: CliContext, parent: Command): void {
  parent
    .command('show')
    .description('show a device: certificates, changes of state, and why it was refused')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .action(async (deviceId: DeviceId, _options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const settings = await openSettings(context, given);
      const registry = await adminClientFor('device-registry', settings, { context, options: given });
      const device = await registry.call(registryRoutes.showDevice, { params: { id: deviceId } });
      if (given.json) return writeJson(context, device);
      // The connector offers no admin API on the network, and that of the gateway is at another address.
      const beside = async (service: 'connector' | 'coap-gateway') =>
        given.adminUrl === undefined ? adminClientFor(service, settings, { context, options: given }) : undefined;
      const witnesses = { registry, connector: await beside('connector'), gateway: await beside('coap-gateway') };
      const { coap, resources, values, timeline } = await recentSections(witnesses, deviceId);
      writeLines(context, [
        ...deviceLines(device, context),
        ...section('CoAP', coap),
        ...section('Resources', resources),
        ...section('Values', values),
        ...section('Timeline', timeline),
      ]);
    });
}

type KnownCertificate = DeviceDescription['certificates'][number];

/** A device for people. */
function deviceLines(device: DeviceDescription, context: CliContext): string[] {
  return [
    ...labelledLines([
      ['Device', device.deviceId],
      ['Kind', device.kind],
      ['State', device.state],
      ['Since', device.stateChangedAt],
      ['Registered', device.registeredAt],
      ['Vouched by', voucherText(device)],
      ...shownIfKnown(device),
    ]),
    ...section('Certificates', certificateTable(device, context.now())),
    ...section('History', historyTable(device)),
    ...section('Refusals', refusalTable(device, context)),
  ];
}

function shownIfKnown({ connector, owner, lastSeen, tags }: DeviceDescription): [string, string][] {
  const seen = lastSeen && `${lastSeen.at} at ${lastSeen.entrance} from ${lastSeen.remoteAddress}`;
  return [
    ...(connector === undefined ? [] : [['Connector', connector] satisfies [string, string]]),
    ...(owner === undefined ? [] : [['Owner', owner] satisfies [string, string]]),
    ...(seen === undefined ? [] : [['Last seen', seen] satisfies [string, string]]),
    ...(tags === undefined ? [] : [['Tags', tagTexts(tags).join(', ')] satisfies [string, string]]),
  ];
}

function voucherText({ authority, authorityName, credential }: DeviceDescription): string {
  if (authority === 'site') return 'this site';
  if (authority === 'none')
    return credential === undefined ? 'nobody: its owner signed it up' : 'nobody: it has a secret';
  return authorityName === undefined ? `CA ${authority}` : `${authorityName} (${authority})`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)];
}

function certificateTable({ certificates }: DeviceDescription, now: Date): string[] {
  if (certificates.length === 0) return [];
  return tableLines(
    ['SERIAL', 'FROM', 'UNTIL', 'STATUS', 'FINGERPRINT'],
    certificates.map((certificate) => [
      certificate.serialNumber,
      certificate.notBefore,
      certificate.notAfter,
      statusOf(certificate, now),
      certificate.fingerprint,
    ]),
  );
}

function statusOf(certificate: KnownCertificate, now: Date): string {
  const { revocation } = certificate;
  if (revocation !== undefined) return `revoked ${revocation.revokedAt} (${revocation.reason})`;
  if (hasEnded(certificate, now)) return 'expired';
  return hasBegun(certificate, now) ? 'valid' : 'not valid yet';
}

function historyTable({ states }: DeviceDescription): string[] {
  if (states.length === 0) return [];
  return tableLines(
    ['AT', 'STATE', 'BY', 'REASON'],
    states.map(({ at, state, actor, reason }) => [at, state, actor, reason ?? '']),
  );
}

function refusalTable(device: DeviceDescription, { typed }: CliContext): string[] {
  return device.refusals.flatMap(({ at, reason, entrance, remoteAddress }) => [
    `${at} ${entrance} from ${remoteAddress}: ${reason}. ${refusals[reason].meaning}`,
    `  ${typed(refusals[reason].remedy.replaceAll('DEVICE', device.deviceId))}`,
  ]);
}
