import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Entrances } from '@sallyport/entrance';
import { MqttAccess, mainDevice, Problem, type SecurityLevel } from '@sallyport/protocol';
import { ConnectedContext, InnerFaultLog } from '@sallyport/runtime';
import { peerOf } from '@sallyport/tls';
import { type FileTransferRules, fileTransferRules } from './agent-settings.js';
import { entityHandler } from './entities/entity-handler.js';
import { isEntityRoute } from './entities/entity-target.js';
import { FileStorage } from './file-storage/file-storage.js';
import type { QuotaLimits } from './file-storage/storage-quota.js';
import { type FileTransferOptions, fileTransferHandler } from './file-transfer/file-transfer-handler.js';
import { type AccessRule, anyPath, ownerRule, ownPathOnly, peerRule } from './file-transfer/path-ownership.js';
import { TransferMetrics } from './file-transfer/transfer-metrics.js';

const ownPath = ownPathOnly(peerOf);

/** Opens the entrance of the file transfer service and the entity API, as the settings say. */
@Injectable()
export class FileTransferEntrance implements OnApplicationBootstrap {
  /** In force now: a reload replaces them, and the next request goes by the new ones. */
  private rules: FileTransferRules;

  constructor(
    private readonly context: ConnectedContext,
    private readonly entrances: Entrances,
  ) {
    this.rules = fileTransferRules(context.settings);
  }

  /**
   * @throws Problem `config-invalid`: the address cannot be bound, the files of `http.*` do not belong together, or
   *   `http.authorization` is `own` although clients need no certificate.
   */
  async onApplicationBootstrap(): Promise<void> {
    const { log, settings } = this.context;
    const topicId = settings.require('mqtt.device_topic_id');
    if (topicId !== mainDevice) {
      log.info({ topicId }, 'file transfer runs on the main device only');
      return;
    }
    // So that `takeOver` checks `own` at the start too, like a change from `any`.
    this.rules = { ...fileTransferRules(settings), authorization: 'any' };
    const metrics = new TransferMetrics(this.context.metrics);
    const files = fileTransferHandler(this.handlerOptions(await this.openStorage(metrics), metrics));
    const entities = this.entityApi();
    const http: RequestListener = (req, res) => (isEntityRoute(req.url ?? '') ? entities : files)(req, res);
    await this.entrances.openConfigured('http', {
      handler: { http },
      // If the level is lowered later, close the listener. Peers without a certificate own no paths.
      mutualOnly: () => fileTransferRules(this.context.settings).authorization === 'own',
      takeOver: (level) => this.takeOver(level),
    });
  }

  /** @throws Problem `config-invalid`: `http.authorization` becomes `own` although clients need no certificate */
  private takeOver(level: SecurityLevel): () => void {
    const rules = fileTransferRules(this.context.settings);
    if (rules.authorization === 'own' && this.rules.authorization === 'any' && level !== 'mutual')
      throw needsMutual(level);
    return () => {
      this.rules = rules;
    };
  }

  private openStorage(metrics: TransferMetrics): Promise<FileStorage> {
    const { settings } = this.context;
    const dataDirectory = settings.require('data.path');
    const umask = settings.get('http.storage_umask');
    return FileStorage.open({
      directory: join(dataDirectory, 'file-transfer'),
      ownersJournal: join(dataDirectory, 'file-transfer-owners.jsonl'),
      // thin-edge.io stores firmware there and offers it by links in the file transfer directory.
      linkTargets: [join(dataDirectory, 'cache')],
      nowMs: () => this.nowMs(),
      onReceived: (bytes) => metrics.received(bytes),
      limits: this.limits(),
      ...(umask === undefined ? {} : { umask }),
    });
  }

  /** Asked at each upload, so that a reload takes effect. */
  private limits(): QuotaLimits {
    const rules = () => this.rules;
    return {
      get bytes() {
        return rules().storageBytes;
      },
      get entries() {
        return rules().storageEntries;
      },
      get sharePercent() {
        return rules().storageSharePercent;
      },
    };
  }

  private handlerOptions(storage: FileStorage, metrics: TransferMetrics): FileTransferOptions {
    const { log, clock } = this.context;
    const faults = new InnerFaultLog(log, clock, 'file transfer failed inside');
    const rules = () => this.rules;
    const access: AccessRule = (req, path) => (rules().authorization === 'own' ? ownPath : anyPath)(req, path);
    return {
      storage,
      metrics,
      access,
      ownerOf: ownerRule(peerOf),
      peerKeyOf: peerRule(peerOf),
      nowMs: () => this.nowMs(),
      onFault: (error, { method, path }) => void faults.noteWith(error, { method, path }),
      get maxUploadBytes() {
        return rules().maxUploadBytes;
      },
    };
  }

  private entityApi(): RequestListener {
    const { rpc, log, clock, settings } = this.context;
    const faults = new InnerFaultLog(log, clock, 'entity request failed inside');
    const access = new MqttAccess({ gatewayId: settings.get('device.id') });
    return entityHandler({
      rpc,
      // The same parties as over MQTT: a device has its own entities, the gateway has all.
      changerOf: (req) => {
        const party = access.partyOf(peerOf(req));
        return party.role === 'device' ? party.name : undefined;
      },
      peerKeyOf: peerRule(peerOf),
      onFault: (error, { method, path }) => void faults.noteWith(error, { method, path }),
    });
  }

  private nowMs(): number {
    return this.context.clock.now().getTime();
  }
}

function needsMutual(level: SecurityLevel): Problem {
  return new Problem(
    'config-invalid',
    `http.authorization is "own", which needs to know every client by its certificate, but the security level of http.* is "${level}". Set http.cert_path, http.key_path and http.ca_path, or: sallyport config unset http.authorization`,
  );
}
