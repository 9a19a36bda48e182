import { Injectable } from '@nestjs/common';
import type { Settings } from '@sallyport/config';
import { ServiceContext } from '@sallyport/runtime';

/** Many devices that come at once read the settings once. */
const freshForMs = 1_000;

/**
 * Where the operator lets the registry send requests. A change of these settings applies within a second, without a
 * restart: whoever is told to allow an address tries again at once.
 */
@Injectable()
export class AllowedAddresses {
  private latest: { readonly settings: Settings; readonly atMs: number } | undefined;

  constructor(private readonly context: ServiceContext) {}

  /** Of webhooks, and of the hooks of connectors. */
  async webhookOrigins(): Promise<readonly string[]> {
    return (await this.settings()).require('registry.webhook.origins');
  }

  /** From which revocation lists are fetched. */
  async crlHosts(): Promise<readonly string[]> {
    return (await this.settings()).require('registry.crl.hosts');
  }

  private async settings(): Promise<Settings> {
    const atMs = this.context.clock.now().getTime();
    if (this.latest !== undefined && Math.abs(atMs - this.latest.atMs) < freshForMs) return this.latest.settings;
    const settings = await this.read();
    this.latest = { settings, atMs };
    return settings;
  }

  private async read(): Promise<Settings> {
    try {
      return (await this.context.previewSettings()).settings;
    } catch (error) {
      this.context.log.warn({ error }, 'settings cannot be read; the addresses allowed before stay allowed');
      return this.latest?.settings ?? this.context.settings;
    }
  }
}
