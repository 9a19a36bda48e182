import type { Settings } from '@sallyport/config';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { labelledLines, writeJson, writeLines } from '../output.js';
import { siteFaults } from './site-faults.js';
import { isAnyPartHere, readSiteParts, type SiteParts } from './site-parts.js';

/** `site show`: which site this is, since when, and where its parts are. It needs no running service. */
export function showCommand(context: CliContext, parent: Command): void {
  parent
    .command('show')
    .description('show which site this is, since when, and where its parts are')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const settings = await openSettings(context, given);
      const parts = await readSiteParts(settings);
      if (!isAnyPartHere(parts))
        throw new Failure('There is no site here yet.', 'The first start of the services founds one.');
      const faults = siteFaults(parts);
      if (given.json) writeJson(context, { ...descriptionOf(parts, settings), faults });
      else writeLines(context, [...linesOf(parts, settings), ...faults.map((fault) => `Fault: ${fault}`)]);
    });
}

function descriptionOf({ signer, places, store, registry }: SiteParts, settings: Settings) {
  const record = signer ?? registry ?? (store.kind === 'site' ? store.record : undefined);
  return {
    siteId: record?.siteId ?? null,
    foundedAt: record?.foundedAt ?? null,
    state: signer?.state ?? null,
    distrustedAuthorities: record?.distrusted ?? [],
    markers: places.markers,
    secrets: places.secrets,
    keys: places.keys,
    store: places.store ?? storeAddress(settings),
    mqttBroker: places.otherBroker ?? places.brokerJournal,
  };
}

function linesOf(parts: SiteParts, settings: Settings): string[] {
  const { siteId, foundedAt, distrustedAuthorities, markers, secrets, keys, store, mqttBroker } = descriptionOf(
    parts,
    settings,
  );
  return labelledLines([
    ['Site', siteId ?? 'not known here'],
    ['Founded', foundedAt ?? 'not known here'],
    ['Distrusted CAs', String(distrustedAuthorities.length)],
    ['Markers', markers],
    ['Secrets', secrets],
    ['CA keys', keys],
    ['Store', store],
    ['MQTT broker', mqttBroker],
  ]);
}

/** Without user and password. */
function storeAddress(settings: Settings): string {
  const url = URL.parse(settings.get('store.url') ?? '');
  return url === null ? 'store.url' : `${url.protocol}//${url.host}${url.pathname}`;
}
