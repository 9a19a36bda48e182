import { readFile } from 'node:fs/promises';

/** The documentation pages, as their authors published them. Their commands must work with Sallyport. */
export const documents = {
  https: new URL('../../../docs/seeds/1-https-configuration.md', import.meta.url),
  connector: new URL('../../../docs/seeds/2-connector-pki.md', import.meta.url),
  coap: new URL('../../../docs/seeds/4-coap-gateway-advanced-security.md', import.meta.url),
  mqtt: new URL('../../../docs/seeds/3-mqtt-authentication.md', import.meta.url),
} as const;

export function readDocument(name: keyof typeof documents): Promise<string> {
  return readFile(documents[name], 'utf8');
}
