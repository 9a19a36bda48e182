import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderBridgeRulesReference } from './reference.js';
import { readRuleFile } from './rule-file.js';
import { variablesOf } from './rules.fixture.js';

describe('documentation of the bridge rules', () => {
  it('is what docs/reference/bridge-rules.md says; if not, run: node tools/write-reference.mjs', async () => {
    const page = join(import.meta.dirname, '../../../docs/reference/bridge-rules.md');
    expect(await readFile(page, 'utf8')).toBe(renderBridgeRulesReference());
  });

  it('shows rules that can be used as they are', () => {
    const [, text = ''] = renderBridgeRulesReference().split(/```toml\n|```\n/);
    const variables = variablesOf({ 'mapper.bridge.topic_prefix': 'c8y', 'mapper.mqtt_service.enabled': true });
    expect(readRuleFile({ name: 'shown.toml', text }, variables)).toMatchObject({ rules: { length: 5 }, faults: [] });
  });
});
