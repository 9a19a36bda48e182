import { connectMqtt, subscribeEvent } from '@sallyport/mqtt';
import { auditPage, clientCaExpiring } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { expect, it } from 'vitest';
import { ClientCaWatch } from './client-ca-watch.js';
import { ConnectorsUnderTest } from './connectors.fixture.js';

it('warns of the end of a Client CA 90, 30 and 7 days before, and when it has come, each once', async () => {
  const site = await ConnectorsUnderTest.start();
  const mqtt = await connectMqtt(site.registry.connection('listener'));
  const warned: string[] = [];
  await subscribeEvent(mqtt, clientCaExpiring, async ({ label, days }) => void warned.push(`${label} ${days}`));
  const [ending, lasting] = [
    { commonName: 'ending' },
    { commonName: 'lasting', notAfter: new Date('2040-01-01T00:00:00Z') },
  ];
  for (const options of [ending, lasting]) await site.alice.addCa((await site.authority(options)).certPem);
  await site.alice.save();

  const day = (date: string) => new Date(`2027-${date}T00:00:00Z`);
  const days = ['01-30', '02-15', '02-16', '04-10', '04-20', '04-27', '05-02', '05-03'].map(day);
  for (const now of days) {
    site.registry.clock.set(now);
    await site.registry.part(ClientCaWatch).look();
  }
  await waitFor(() => warned.length === 4);
  expect(warned).toEqual(['ending 90', 'ending 30', 'ending 7', 'ending 0']);
  const { rows } = await site.registry.get('/v1/audit', auditPage);
  expect(rows.filter(({ action }) => action === 'client-ca-expiring')).toHaveLength(4);
  await mqtt.close();
  await site.stop();
});
