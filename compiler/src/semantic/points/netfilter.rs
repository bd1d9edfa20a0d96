// SPDX-License-Identifier: GPL-2.0-or-later
//! `netfilter`: hooks of the packet filter. Names and values are those of
//! `linux/netfilter.h`, `netfilter_ipv4.h`, `netfilter_arp.h` and `netfilter_bridge.h`.

use super::{Build, Context, Request, error};
use crate::ir::ProbeKind;

struct Protocol {
    name: &'static str,
    number: i32,
    hooks: &'static [(&'static str, i32)],
    /// Priorities are called PREFIX_FIRST and so on.
    priority_prefix: &'static str,
    priorities: &'static [(&'static str, i32)],
}

const INET_HOOKS: &[(&str, i32)] = &[
    ("NF_INET_PRE_ROUTING", 0),
    ("NF_INET_LOCAL_IN", 1),
    ("NF_INET_FORWARD", 2),
    ("NF_INET_LOCAL_OUT", 3),
    ("NF_INET_POST_ROUTING", 4),
];

const IP_PRIORITIES: &[(&str, i32)] = &[
    ("FIRST", i32::MIN),
    ("RAW_BEFORE_DEFRAG", -450),
    ("CONNTRACK_DEFRAG", -400),
    ("RAW", -300),
    ("SELINUX_FIRST", -225),
    ("CONNTRACK", -200),
    ("MANGLE", -150),
    ("NAT_DST", -100),
    ("FILTER", 0),
    ("SECURITY", 50),
    ("NAT_SRC", 100),
    ("SELINUX_LAST", 225),
    ("CONNTRACK_HELPER", 300),
    ("CONNTRACK_CONFIRM", i32::MAX),
    ("LAST", i32::MAX),
];

const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: "NFPROTO_IPV4",
        number: 2,
        hooks: INET_HOOKS,
        priority_prefix: "NF_IP_PRI_",
        priorities: IP_PRIORITIES,
    },
    Protocol {
        name: "NFPROTO_IPV6",
        number: 10,
        hooks: INET_HOOKS,
        priority_prefix: "NF_IP6_PRI_",
        priorities: IP_PRIORITIES,
    },
    Protocol {
        name: "NFPROTO_ARP",
        number: 3,
        hooks: &[("NF_ARP_IN", 0), ("NF_ARP_OUT", 1), ("NF_ARP_FORWARD", 2)],
        priority_prefix: "NF_IP_PRI_",
        priorities: IP_PRIORITIES,
    },
    Protocol {
        name: "NFPROTO_BRIDGE",
        number: 7,
        hooks: &[
            ("NF_BR_PRE_ROUTING", 0),
            ("NF_BR_LOCAL_IN", 1),
            ("NF_BR_FORWARD", 2),
            ("NF_BR_LOCAL_OUT", 3),
            ("NF_BR_POST_ROUTING", 4),
            ("NF_BR_BROUTING", 5),
        ],
        priority_prefix: "NF_BR_PRI_",
        priorities: &[
            ("FIRST", i32::MIN),
            ("NAT_DST_BRIDGED", -300),
            ("FILTER_BRIDGED", -200),
            ("BRNF", 0),
            ("NAT_DST_OTHER", 100),
            ("FILTER_OTHER", 200),
            ("NAT_SRC", 300),
            ("LAST", i32::MAX),
        ],
    },
];

pub(super) fn build(request: &Request) -> Build {
    let text = |name| request.string(name).unwrap_or_default();
    let (hook, family) = (text("hook"), text("pf"));
    let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == family);
    let Some(protocol) = protocol else {
        let names: Vec<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        return Err(error(format!(
            "unsupported netfilter protocol family \"{family}\""
        ))
        .hint(format!("one of {}", names.join(", "))));
    };
    let number = protocol.number;
    let Some((_, hook)) = protocol.hooks.iter().find(|(name, _)| *name == hook) else {
        let names: Vec<&str> = protocol.hooks.iter().map(|(name, _)| *name).collect();
        let message =
            format!("unsupported netfilter hook \"{hook}\" for protocol family \"{number}\"");
        return Err(error(message).hint(format!("one of {}", names.join(", "))));
    };
    let priority = match request.string("priority") {
        None => 0,
        Some(text) => {
            let named = text
                .strip_prefix(protocol.priority_prefix)
                .and_then(|name| protocol.priorities.iter().find(|(known, _)| *known == name));
            match (named, text.parse::<i32>()) {
                (Some((_, priority)), _) => *priority,
                (None, Ok(priority)) => priority,
                (None, Err(_)) => {
                    return Err(error(format!(
                        "unsupported netfilter priority \"{text}\" for protocol family \
                         \"{number}\""
                    )));
                }
            }
        }
    };
    let kind = ProbeKind::Netfilter {
        hook: *hook,
        family: number,
        priority,
    };
    request.found(kind, Context::Netfilter)
}
