//! The settings of the engine.

use crate::engine::settings::{
    CheckSettings, ClusterSettings, RequestRoom, ReturnSettings, ServiceCheck, ServiceSettings,
    Settings, StandbySettings, ZoneSettings,
};
use crate::history::bytes::coded_struct;

coded_struct!(Settings {
    services,
    zones,
    canaries,
    canary_checks,
    canary_check,
    burst,
    most_in_flight,
    cluster,
    dry_run,
    rooms,
});
coded_struct!(ServiceSettings {
    name,
    zone,
    targets,
    names,
    checks,
    require,
    floor,
    max_out,
    standby,
    returns,
    resync_interval,
});
coded_struct!(CheckSettings { method, pace, thresholds });
coded_struct!(ServiceCheck { name, check, counts });
coded_struct!(StandbySettings { tiers, last_resort, below });
coded_struct!(ReturnSettings { delay, max });
coded_struct!(RequestRoom { id, most });
coded_struct!(ZoneSettings { name, location });
coded_struct!(ClusterSettings { own, peers, min_peers_agree });
