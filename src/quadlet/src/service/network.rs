// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service of a `.network`.

use super::draft::Draft;
use crate::command::Command;
use crate::problem::Fault;

pub(super) fn make(draft: &mut Draft<'_>) {
    let mut create = draft.program(&["network", "create", "--ignore"]);
    draft.options(&mut create);
    subnets(draft, &mut create);
    draft.own_args(&mut create);
    let name = draft.source.resource();
    create.arg(name.clone());
    draft.once(create, true);
    if draft.boolean("NetworkDeleteOnStop") == Some(true) {
        let mut remove = draft.program(&["network", "rm"]);
        remove.arg(name);
        draft.service_section().add("ExecStopPost", remove);
    }
}

/// Each subnet with the gateway and the range that stand in the same place of their lists.
fn subnets(draft: &mut Draft<'_>, create: &mut Command) {
    let section = draft.section();
    let subnets = section.all("Subnet");
    for (key, option) in [("Gateway", "gateways"), ("IPRange", "ranges")] {
        if let Some(entry) = section.all(key).get(subnets.len()) {
            let fault = if subnets.is_empty() { Fault::NoSubnet } else { Fault::MoreThanSubnets { what: option } };
            return draft.problem_at(entry, fault);
        }
    }
    let (gateways, ranges) = (section.all("Gateway"), section.all("IPRange"));
    for (index, subnet) in subnets.iter().enumerate() {
        create.option("--subnet", subnet.unquoted());
        if let Some(gateway) = gateways.get(index) {
            create.option("--gateway", gateway.unquoted());
        }
        if let Some(range) = ranges.get(index) {
            create.option("--ip-range", range.unquoted());
        }
    }
}
