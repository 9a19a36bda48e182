import { encodeProperties, encodePublish, PacketReader, type Properties, PublishView } from '@sallyport/mqtt-wire';
import { describe, expect, it } from 'vitest';
import { passingProperties } from './passing-properties.js';

function viewWith(properties: Properties): PublishView {
  const [topic, payload] = ['a', Buffer.from('text')];
  const publish = { type: 'publish', topic, payload, qos: 1, retain: false, isDuplicate: false, packetId: 1 } as const;
  const bytes = encodePublish({ ...publish, properties }, 5);
  const reader = new PacketReader({ sender: 'server', version: 5, largestBytes: bytes.length });
  reader.push(bytes);
  reader.advance();
  const view = new PublishView(5);
  view.aim(reader);
  return view;
}

describe('the properties that a message takes along', () => {
  it.each([
    [0, 10],
    [999, 10],
    [1_000, 9],
    [9_999, 1],
  ])('say after %d ms of waiting that it expires in %d s', (waitedMs, seconds) => {
    const passing = passingProperties(viewWith({ messageExpiryInterval: 10, contentType: 'text' }), waitedMs);
    expect(passing).toEqual(encodeProperties({ contentType: 'text', messageExpiryInterval: seconds }));
  });

  it('are none when it expired while it waited', () => {
    expect(passingProperties(viewWith({ messageExpiryInterval: 10 }), 10_000)).toBeUndefined();
  });

  it('keep the order of user properties, and leave subscription identifiers out', () => {
    const userProperties = [
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ] as const;
    const view = viewWith({ subscriptionIdentifiers: [1, 300], userProperties });
    expect(passingProperties(view, 0)).toEqual(encodeProperties({ userProperties }));
  });

  it('may not have a topic alias', () => {
    expect(() => passingProperties(viewWith({ topicAlias: 1, contentType: 'x' }), 0)).toThrow(/topic alias/);
  });
});
