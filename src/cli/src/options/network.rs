// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the network, ports and names.

use std::net::IpAddr;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::{Names, Network, Protocol, Publish};

use super::namespaces::path_of;
use super::{given, non_empty, publish};

/// Flags about the network, ports and names.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct NetworkFlags {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_delimiter = ',')]
    pub add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_delimiter = ',')]
    pub dns: Vec<String>,
    /// Set custom DNS options
    #[arg(long, alias = "dns-opt", value_delimiter = ',')]
    pub dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_delimiter = ',')]
    pub dns_search: Vec<String>,
    /// Expose a port or a range of ports
    #[arg(long, value_delimiter = ',')]
    pub expose: Vec<String>,
    /// Set container hostname
    #[arg(short = 'h', long)]
    pub hostname: Option<String>,
    /// Base file to create the /etc/hosts file inside the container
    #[arg(long)]
    pub hosts_file: Option<String>,
    /// Specify a static IPv4 address for the container
    #[arg(long)]
    pub ip: Option<String>,
    /// Specify a static IPv6 address for the container
    #[arg(long)]
    pub ip6: Option<String>,
    /// Container MAC address (e.g. 92:d0:c6:0a:29:33)
    #[arg(long)]
    pub mac_address: Option<String>,
    /// Connect a container to a network ("pasta[:OPTIONS]"|"slirp4netns[:OPTIONS]"|"none"|"host"|"container:NAME"|"ns:PATH"|"private")
    #[arg(long, alias = "net")]
    pub network: Vec<String>,
    /// Add network-scoped alias for the container
    #[arg(long, value_delimiter = ',')]
    pub network_alias: Vec<String>,
    /// Do not create /etc/hostname within the container, instead use the version from the image
    #[arg(long)]
    pub no_hostname: bool,
    /// Do not create /etc/hosts within the container, instead use the version from the image
    #[arg(long)]
    pub no_hosts: bool,
    /// Publish a container's port, or a range of ports, to the host
    #[arg(short, long, value_delimiter = ',')]
    pub publish: Vec<String>,
    /// Publish all exposed ports to random ports on the host interface
    #[arg(short = 'P', long)]
    pub publish_all: bool,
}

impl NetworkFlags {
    /// An address of its own is for networks that have many members; none of the modes is one.
    pub(super) fn check_addresses(&self) -> Result<()> {
        if let Some(text) = given(self.ip.as_ref()).or(given(self.ip6.as_ref()))
            && text.parse::<IpAddr>().is_err()
        {
            bail!("{text:?} is not an ip address");
        }
        if let Some(text) = given(self.mac_address.as_ref())
            && !is_mac(text)
        {
            bail!("address {text}: invalid MAC address");
        }
        let asked = [
            ("--ip", self.ip.is_some()),
            ("--ip6", self.ip6.is_some()),
            ("--mac-address", self.mac_address.is_some()),
            ("--network-alias", !self.network_alias.is_empty()),
        ];
        match asked.iter().find(|(_, asked)| *asked) {
            Some(_) if self.network.is_empty() => bail!(
                "invalid config provided: networks and static ip/mac address can only be used with Bridge mode networking"
            ),
            Some((flag, _)) => bail!("{flag} can only be set when the network mode is bridge: invalid argument"),
            None => Ok(()),
        }
    }

    pub(super) fn network(&self) -> Result<Network> {
        let [network] = self.network.as_slice() else {
            return match self.network.first() {
                None => Ok(Network::Default),
                Some(first) => bail!(
                    "cannot set multiple networks without bridge network mode, selected mode {}: invalid argument",
                    first.split(':').next().unwrap_or(first)
                ),
            };
        };
        match network.split_once(':') {
            None => match network.as_str() {
                "" | "default" | "private" => Ok(Network::Default),
                "none" => Ok(Network::None),
                "host" => Ok(Network::Host),
                "pasta" => Ok(Network::Pasta(Vec::new())),
                "slirp4netns" => Ok(Network::Slirp(Vec::new())),
                _ => bail!("unable to find network with name or ID {network}: network not found"),
            },
            Some(("pasta", words)) => {
                Ok(Network::Pasta(words.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()))
            }
            Some(("slirp4netns", words)) => Ok(Network::Slirp(words.split(',').map(str::to_owned).collect())),
            Some(("container", "")) => bail!("invalid config provided: namespace mode container requires a value"),
            Some(("container", name)) => Ok(Network::Container(name.to_owned())),
            Some(("ns", path)) => path_of("network", path).map(Network::Path),
            Some(("default", _)) => Ok(Network::Default),
            Some((name, _)) => bail!("unable to find network with name or ID {name}: network not found"),
        }
    }

    pub(super) fn names(&self, network: &Network) -> Result<Names> {
        // Of a list, an empty text is no part.
        let dns: Vec<&String> = non_empty(&self.dns).collect();
        let adds_hosts = non_empty(&self.add_host).next().is_some();
        if self.no_hosts && adds_hosts {
            bail!("--no-hosts and --add-host cannot be set together");
        }
        if self.no_hosts && self.hosts_file.is_some() {
            bail!("--no-hosts and --hosts-file cannot be set together");
        }
        for server in dns.iter().filter(|server| **server != "none") {
            server.parse::<IpAddr>().map_err(|_| anyhow!("{server} is not an ip address"))?;
        }
        if dns.iter().any(|server| *server == "none") && dns.len() > 1 {
            bail!("{} is not allowed to be specified with other DNS ip addresses", "none");
        }
        if dns.iter().any(|server| *server == "none") {
            for (name, given) in
                [("DNSSearch", !self.dns_search.is_empty()), ("DNSOption", !self.dns_option.is_empty())]
            {
                if given {
                    bail!("invalid config provided: UseImageResolvConf and {name} are mutually exclusive options");
                }
            }
        }
        let of_names = !dns.is_empty() || !self.dns_search.is_empty() || !self.dns_option.is_empty();
        match network {
            Network::None if of_names => bail!("conflicting options: dns and the network mode: none"),
            Network::Container(_) if of_names => bail!("conflicting options: dns and the network mode: container"),
            Network::Container(_) if adds_hosts => bail!(
                "invalid config provided: cannot set extra host entries when the container is joined to another containers network namespace: invalid configuration"
            ),
            _ => {}
        }
        for domain in non_empty(&self.dns_search).filter(|domain| *domain != ".") {
            let ok = domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            if !ok {
                bail!("{domain} is not a valid domain");
            }
        }
        Ok(Names {
            dns: dns.into_iter().cloned().collect(),
            search: non_empty(&self.dns_search).cloned().collect(),
            options: self.dns_option.clone(),
            no_hosts: self.no_hosts,
            no_hostname: self.no_hostname,
            hosts_file: given(self.hosts_file.as_ref()).cloned(),
        })
    }

    pub(super) fn published(&self) -> Result<Vec<Publish>> {
        non_empty(&self.publish).map(|text| publish::parse(text)).collect()
    }

    pub(super) fn added_hosts(&self) -> Result<Vec<(String, Option<IpAddr>)>> {
        non_empty(&self.add_host).map(|text| add_host(text)).collect()
    }

    pub(super) fn exposed(&self) -> Result<Vec<(u16, Protocol)>> {
        let mut ports = Vec::new();
        for text in non_empty(&self.expose) {
            let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let number = |text: &str| {
                text.parse::<u16>().map_err(|_| {
                    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                    let why = if digits { "value out of range" } else { "invalid syntax" };
                    anyhow!("invalid range format for --expose: {range}: strconv.ParseUint: parsing {text:?}: {why}")
                })
            };
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                bail!("invalid range format for --expose: {range}: Invalid range specified for the Port: {range}");
            }
            if first == 0 {
                bail!("port numbers must be between 1 and 65535 (inclusive), got 0");
            }
            let protocol = protocol.to_ascii_lowercase();
            let protocol = Protocol::named(&protocol).ok_or_else(|| {
                anyhow!(
                    "validating protocols for exposed port {first}: unrecognized protocol {protocol:?} in port mapping"
                )
            })?;
            ports.extend((first..=last).map(|port| (port, protocol)));
        }
        Ok(ports)
    }
}

/// `NAME[;NAME…]:ADDRESS` (an address may be of IPv6, in brackets or not). Several names stay together.
fn add_host(text: &str) -> Result<(String, Option<IpAddr>)> {
    let Some((names, address)) = text.split_once(':').filter(|(names, _)| !names.is_empty()) else {
        bail!("bad format for add-host: {text:?}");
    };
    let address = match address {
        "host-gateway" => None,
        text => {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            Some(bare.parse().map_err(|_| anyhow!("invalid IP address in add-host: {text:?}"))?)
        }
    };
    Ok((names.to_owned(), address))
}

/// Six, eight or twenty octets in hexadecimal digits, with colons or dashes between them.
fn is_mac(text: &str) -> bool {
    let separator = if text.contains(':') { ':' } else { '-' };
    let octets: Vec<&str> = text.split(separator).collect();
    [6, 8, 20].contains(&octets.len())
        && octets.iter().all(|octet| octet.len() == 2 && u8::from_str_radix(octet, 16).is_ok())
}
