import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import type { BridgeRules } from './bridge-types.js';
import { ScriptedSite, silentOnPublish } from './scripted-broker.fixture.js';

/** Forwards what is below these local prefixes to a remote prefix of the same name with "up-". */
const rulesFor = (...names: string[]): BridgeRules => ({
  filters: (side) => (side === 'local' ? names.map((name) => `${name}/#`) : []),
  map: (_direction, topic) => {
    const name = names.find((each) => topic.startsWith(`${each}/`));
    return name === undefined ? undefined : { topic: `up-${topic}`, rule: name, isBidirectional: false };
  },
});

describe('a bridge that gets new rules', () => {
  it('subscribes to what is new, then unsubscribes from what is gone, and leaves the rest alone', async () => {
    await using site = await ScriptedSite.open({ rules: rulesFor('kept', 'gone') });
    const { local, remote } = await site.up();
    await site.bridge.replaceRules(rulesFor('kept', 'new'));
    expect(local.packets.slice(1)).toMatchObject([
      { type: 'subscribe', subscriptions: [{ filter: 'kept/#' }, { filter: 'gone/#' }] },
      { type: 'subscribe', subscriptions: [{ filter: 'new/#' }] },
      { type: 'unsubscribe', filters: ['gone/#'] },
    ]);
    local.publish({ topic: 'new/x', packetId: 1 });
    local.publish({ topic: 'gone/x', packetId: 2 });
    local.publish({ topic: 'kept/x', packetId: 3 });
    await waitFor(() => local.acknowledged.length === 3);
    expect(remote.messages).toEqual(['up-new/x text', 'up-kept/x text']);
  });

  it('acknowledges what is in flight as if nothing had changed', async () => {
    await using site = await ScriptedSite.open({ rules: rulesFor('gone'), remoteScript: silentOnPublish });
    const { local, remote } = await site.up();
    local.publish({ topic: 'gone/x', packetId: 8 });
    await waitFor(() => remote.messages.length === 1);
    await site.bridge.replaceRules(rulesFor('new'));
    remote.acknowledge(remote.publishes[0]?.packetId ?? 0);
    await waitFor(() => local.acknowledged.length === 1);
    expect(remote.messages).toEqual(['up-gone/x text']);
    expect(site.bridge.figures.rules).toMatchObject([{ rule: 'gone', forwarded: 1, acknowledged: 1 }]);
  });

  it('uses them at the next connection when it has none', async () => {
    await using site = await ScriptedSite.open({ rules: rulesFor('gone') });
    await site.up();
    await site.bridge.stop();
    await site.bridge.replaceRules(rulesFor('new'));
    site.bridge.start();
    const again = await site.local.link(1);
    await waitFor(() => site.bridge.state.status === 'up');
    expect(again.filters).toEqual(['new/#']);
  });

  it('asks for at most eight filters a packet', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `topic${index}`);
    await using site = await ScriptedSite.open({ rules: rulesFor(...names) });
    const { local } = await site.up();
    const sizes = local.packets.flatMap((packet) => (packet.type === 'subscribe' ? [packet.subscriptions.length] : []));
    expect(sizes).toEqual([8, 8, 4]);
  });

  it('follows two changes that come quickly one after the other', async () => {
    await using site = await ScriptedSite.open({ rules: rulesFor('first') });
    const { local } = await site.up();
    await Promise.all([site.bridge.replaceRules(rulesFor('second')), site.bridge.replaceRules(rulesFor('third'))]);
    const last = local.packets.slice(-2);
    expect(last).toMatchObject([
      { type: 'subscribe', subscriptions: [{ filter: 'third/#' }] },
      { type: 'unsubscribe', filters: ['second/#'] },
    ]);
  });
});
