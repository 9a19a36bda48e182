import { join } from 'node:path';
import { type CloudKind, parseToml, type Settings, type TomlTable } from '@sallyport/config';
import { readTextIfPresent } from '@sallyport/files';
import type { RuleSource } from './rule-directory.js';
import { type ConnectionFacts, cloudVariables, mapperVariables } from './setting-variables.js';

/** What rules depend on of a connection to a cloud. A `CloudConnection` is one. */
export interface RuledConnection {
  readonly kind: CloudKind;
  readonly profile: string | undefined;
  readonly authMethod: 'certificate' | 'basic' | 'none';
  readonly deviceId: string;
  /** Folder of the mapper, such as `/etc/tedge/mappers/c8y`. */
  readonly directory: string;
}

/** The folder with the rules of a connection. */
export function ruleDirectory({ directory }: Pick<RuledConnection, 'directory'>): string {
  return join(directory, 'bridge');
}

/**
 * Where the rules of a connection are, and what their variables mean.
 *
 * @throws Problem `config-invalid`: the mapper.toml of a mapper of the site is not valid TOML
 */
export async function ruleSourceOf(settings: Settings, connection: RuledConnection): Promise<RuleSource> {
  const { kind, profile, authMethod, deviceId } = connection;
  // thin-edge.io knows two methods in rules. Who shows no certificate is no device with a certificate.
  const facts: ConnectionFacts = { authMethod: authMethod === 'certificate' ? 'certificate' : 'password', deviceId };
  const directory = ruleDirectory(connection);
  if (kind === 'custom')
    return { directory, variables: mapperVariables(settings, await mapperTable(connection), facts) };
  return { directory, variables: cloudVariables(settings.ofProfile(profile), kind, facts), builtIn: kind };
}

async function mapperTable({ directory }: RuledConnection): Promise<TomlTable> {
  const path = join(directory, 'mapper.toml');
  return parseToml((await readTextIfPresent(path)) ?? '', path);
}
