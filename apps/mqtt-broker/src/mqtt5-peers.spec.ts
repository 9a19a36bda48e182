import { runProgram } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { type BrokerSite, openBrokerSite } from './broker-site.fixture.js';

const mosquitto = (site: BrokerSite, program: 'mosquitto_pub' | 'mosquitto_sub' | 'mosquitto_rr', ...args: string[]) =>
  runProgram(program, ['-V', 'mqttv5', '-h', '127.0.0.1', '-p', String(site.port), '-q', '1', ...args]);

const property = (...words: string[]) => ['-D', ...words];

describe('MQTT 5 with the clients of Mosquitto', () => {
  it('keeps the properties of a retained message', async () => {
    await using site = await openBrokerSite();
    const properties = [
      ...property('publish', 'content-type', 'text/plain'),
      ...property('publish', 'user-property', 'unit', 'celsius'),
      ...property('publish', 'message-expiry-interval', '1000'),
    ];
    const published = await mosquitto(site, 'mosquitto_pub', '-t', 'te/a', '-m', '21', '-r', ...properties);
    expect(published).toMatchObject({ exitCode: 0, stderr: '' });
    // Content type, message expiry, user properties, payload.
    const format = ['-F', '%C|%E|%P|%p'];
    const { stdout } = await mosquitto(site, 'mosquitto_sub', '-t', 'te/a', '-C', '1', '-W', '5', ...format);
    expect(stdout).toMatch(/^text\/plain\|(1000|99\d)\|unit:celsius ?\|21\n$/);
  });

  it('brings an answer to who asked', async () => {
    await using site = await openBrokerSite();
    const responder = await site.service('responder');
    const asked: string[] = [];
    await responder.subscribe('te/questions', async (_topic, payload) => {
      asked.push(String(payload));
      await responder.publish('te/answers', Buffer.from('42'));
    });
    const question = ['-t', 'te/questions', '-e', 'te/answers', '-m', 'what?', '-W', '5'];
    const { stdout, exitCode } = await mosquitto(site, 'mosquitto_rr', ...question);
    expect([stdout, exitCode, asked]).toEqual(['42\n', 0, ['what?']]);
  });

  it('tells a publisher why its message was refused', async () => {
    await using site = await openBrokerSite();
    const refused = await mosquitto(site, 'mosquitto_pub', '-t', 'sallyport/v1/x', '-m', 'x');
    expect(`${refused.stdout}${refused.stderr}`).toContain('Not authorized');
  });
});
