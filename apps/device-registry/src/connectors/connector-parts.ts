import { ClientCaCrls } from './client-ca-crls.js';
import { ClientCaDevices } from './client-ca-devices.js';
import { ClientCaDrafts } from './client-ca-drafts.js';
import { ClientCaWatch } from './client-ca-watch.js';
import { ClientCasController } from './client-cas.controller.js';
import { ClientCas } from './client-cas.js';
import { ConnectorDrafts } from './connector-drafts.js';
import { ConnectorListeners } from './connector-listeners.js';
import { ConnectorRoster } from './connector-roster.js';
import { ConnectorsController } from './connectors.controller.js';
import { Connectors } from './connectors.js';
import { CrlFetch } from './crl-fetch.js';
import { CrlRefresh } from './crl-refresh.js';
import { DraftSave } from './draft-save.js';
import { DraftView } from './draft-view.js';
import { DraftsController } from './drafts.controller.js';
import { PossessionProofs } from './possession-proofs.js';

/** The wiring of connectors and Client CAs, for the module of the registry. */
export const connectorParts = {
  controllers: [ClientCasController, ConnectorsController, DraftsController],
  providers: [
    ClientCaCrls,
    ClientCaDevices,
    ClientCaDrafts,
    ClientCas,
    ClientCaWatch,
    ConnectorDrafts,
    ConnectorListeners,
    ConnectorRoster,
    Connectors,
    CrlFetch,
    CrlRefresh,
    DraftSave,
    DraftView,
    PossessionProofs,
  ],
};
