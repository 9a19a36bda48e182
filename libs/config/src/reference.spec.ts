import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeSetting, renderCommandHelp, renderConfigReference } from './reference.js';
import { configKeys } from './schema.js';

describe('documentation of the settings', () => {
  it('is what docs/reference/configuration.md says; if not, run: node tools/write-reference.mjs', async () => {
    const page = join(import.meta.dirname, '../../../docs/reference/configuration.md');
    expect(await readFile(page, 'utf8')).toBe(renderConfigReference());
  });

  it('has a section for every key, which the overview links to', () => {
    const page = renderConfigReference();
    const missing = configKeys.filter((key) => {
      return !page.includes(`\n### ${key}\n`) || !page.includes(`[\`${key}\`](#${key.replaceAll('.', '')})`);
    });
    expect(missing).toEqual([]);
  });

  it('tells a terminal all about one key', () => {
    expect(describeSetting('http.bind.port')).toBe(
      [
        'http.bind.port',
        '  Port the file transfer service listens on; 0 takes any free port.',
        '  Type:        u16: a port number from 0 to 65535',
        '  Default:     8000',
        '  Environment: TEDGE_HTTP_BIND_PORT',
        '  Examples:    8000',
        '  Old names:   http.port',
        '  Stored in:   tedge.toml',
      ].join('\n'),
    );
  });

  it('says which settings thin-edge.io does not have, and which have no default', () => {
    expect(describeSetting('store.url')).toContain('Default:     unset');
    expect(describeSetting('store.url')).toContain('Note:        thin-edge.io has no such setting');
  });

  it('says which settings are kept for thin-edge.io alone: to a terminal, in the help of a service, on the page', () => {
    const note = 'kept for thin-edge.io; nothing of Sallyport reads it';
    expect(describeSetting('c8y.topics')).toContain(`Note:        ${note}`);
    expect(renderCommandHelp('x')).toContain(
      `--c8y.topics VALUE\n      MQTT topics the mapper subscribes to. (${note})`,
    );
    expect(renderConfigReference()).toContain(`- Not read: ${note}`);
  });

  it('says in which file a setting lives', () => {
    expect(describeSetting('mqtt.bind.cert_file')).toContain('Stored in:   sallyport.toml');
    expect(describeSetting('http.cert_path')).toContain('Stored in:   tedge.toml');
  });

  it('lists every key as a flag of a service', () => {
    const help = renderCommandHelp('sallyport-agent');
    expect(help).toContain('Usage: sallyport-agent [--config-dir DIR] [--KEY VALUE]...');
    expect(configKeys.filter((key) => !help.includes(`\n  --${key} VALUE\n`))).toEqual([]);
  });
});
