import { ClientCaDevices } from './client-ca-devices.js';
import { ClientCaDrafts } from './client-ca-drafts.js';
import { ConnectorDrafts } from './connector-drafts.js';
import { ConnectorListeners } from './connector-listeners.js';
import { ConnectorRoster } from './connector-roster.js';
import { ConnectorsController } from './connectors.controller.js';
import { Connectors } from './connectors.js';
import { DraftSave } from './draft-save.js';
import { DraftView } from './draft-view.js';
import { DraftsController } from './drafts.controller.js';

/** The wiring of connectors and Client CAs, for the module of the registry. */
export const connectorParts = {
  controllers: [ConnectorsController, DraftsController],
  providers: [
    ClientCaDevices,
    ClientCaDrafts,
    ConnectorDrafts,
    ConnectorListeners,
    ConnectorRoster,
    Connectors,
    DraftSave,
    DraftView,
  ],
};
