use expect_test::expect;

use super::*;

/// As `ip -json -4 route show table all` says it: an office, an on-link network with public addresses, another site, a
/// VPN that halves the internet, and the box's own addresses.
const ROUTES: &str = r#"[
    {"dst":"default","gateway":"192.168.50.1","dev":"eth0","flags":[]},
    {"dst":"default","dev":"lo","type":"unreachable","flags":[]},
    {"dst":"0.0.0.0/1","dev":"tun0","scope":"link","flags":[]},
    {"dst":"192.0.2.0/24","gateway":"192.168.50.1","dev":"eth0","flags":[]},
    {"dst":"192.168.50.0/24","dev":"eth0","protocol":"kernel","scope":"link","prefsrc":"192.168.50.10","flags":[]},
    {"dst":"198.18.0.24/30","dev":"plb0123456789ab","protocol":"kernel","scope":"link","flags":[]},
    {"dst":"198.51.100.0/24","dev":"eth0","protocol":"kernel","scope":"link","flags":[]},
    {"type":"local","dst":"127.0.0.1","dev":"lo","table":"local","flags":[]},
    {"type":"local","dst":"198.51.100.10","dev":"eth0","table":"local","flags":[]},
    {"type":"broadcast","dst":"198.51.100.255","dev":"eth0","table":"local","flags":[]}
]"#;

fn routes(json: &str) -> Vec<Route> {
    serde_json::from_str(json).unwrap()
}

fn networks(network: Network) -> String {
    refused(network, &routes(ROUTES)).into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn strangers_reach_the_internet_at_most() {
    for network in [Network::Internet, Network::None] {
        assert_eq!((allowed(network, false), allowed(network, true)), (network, network));
    }
    assert_eq!((allowed(Network::Lan, false), allowed(Network::Lan, true)), (Network::Lan, Network::Internet));
}

#[test]
fn a_mode_is_read_as_it_was_written() {
    for network in [Network::Internet, Network::None, Network::Lan] {
        assert_eq!(mode_of(word(network)), Some(network));
    }
    assert_eq!(mode_of("office"), None);
}

#[test]
fn the_office_is_what_this_box_has_a_route_to() {
    expect![
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 127.0.0.1/32 169.254.0.0/16 172.16.0.0/12 192.0.2.0/24 \
         192.168.0.0/16 192.168.50.0/24 198.18.0.0/15 198.51.100.0/24 198.51.100.10/32 198.51.100.255/32 224.0.0.0/3"
    ]
    .assert_eq(&networks(Network::Internet));
    expect!["127.0.0.1/32 169.254.169.254/32 198.18.0.0/15 198.51.100.10/32"].assert_eq(&networks(Network::Lan));
    let ways_out = routes(
        r#"[{"dst":"default","nexthops":[{"gateway":"10.0.0.1","dev":"eth0"},{"dev":"ppp0"}]},
            {"dst":"default","gateway":"10.1.0.1","dev":"wlan0"}, {"dst":"10.0.0.0/8","dev":"eth1"}]"#,
    );
    assert_eq!(uplinks(&ways_out).collect::<Vec<_>>(), ["eth0", "ppp0", "wlan0"]);
}

#[test]
fn the_rules_are_one_transaction() {
    let servers = ["192.168.50.1".parse().unwrap(), "9.9.9.9".parse().unwrap()];
    expect![[r#"
        table inet pilotlight
        delete table inet pilotlight
        table inet pilotlight {
          set refused { type ipv4_addr; flags interval; auto-merge; elements = { 127.0.0.1/32, 169.254.169.254/32, 198.18.0.0/15, 198.51.100.10/32 }; }
          chain output {
            type filter hook output priority filter; policy accept;
            oifname "lo" accept
            meta nfproto ipv6 reject with icmpx type admin-prohibited
            ip daddr { 192.168.50.1, 9.9.9.9 } meta l4proto { tcp, udp } th dport 53 accept
            ip daddr @refused reject with icmpx type admin-prohibited
          }
          chain input {
            type filter hook input priority filter; policy drop;
            iifname "lo" accept
            meta nfproto ipv4 ct state established,related accept
          }
        }
    "#]]
    .assert_eq(&inside_rules(Network::Lan, &routes(ROUTES), &servers));
    assert!(!inside_rules(Network::Internet, &routes(ROUTES), &[]).contains("dport"));
    let guard = "iifname != \"plb*\" oifname != \"plb*\" ct state new drop";
    assert_eq!((outside_rules(false).contains(guard), outside_rules(true).contains(guard)), (true, false));
}

#[test]
fn name_servers_are_those_that_another_namespace_reaches() {
    let text = "# a comment\nsearch example\nnameserver 127.0.0.53\nnameserver 192.168.50.1 # the router\nnameserver\n\
                nameserver fe80::1%eth0\nnameserver 0.0.0.0\noptions edns0\n nameserver 9.9.9.9\nnameserver 999.1.1.1";
    let servers = name_servers(text);
    assert_eq!(resolv_conf(&servers), "nameserver 192.168.50.1\nnameserver 9.9.9.9\n");
    assert!(name_servers("nameserver 127.0.0.1\n").is_empty());
    assert!(resolv_conf(&[]).starts_with('#'));
}

#[test]
fn a_wire_has_four_addresses_and_a_name_that_fits() {
    let wire = |index| {
        let Wire { outside, inside } = Wire::of(index);
        format!("{outside} {inside}")
    };
    assert_eq!(wire(1), "198.18.0.5 198.18.0.6");
    assert_eq!(wire(32_767), "198.19.255.253 198.19.255.254");
    assert_eq!(wire(32_769), wire(1));
    let links = ["acme__app", "acme__app_s", "a__b"].map(link);
    assert!(links.iter().all(|link| link.len() == 15 && link.starts_with("plb")), "{links:?}");
    assert!(links[0] != links[1] && links[1] != links[2]);
}
