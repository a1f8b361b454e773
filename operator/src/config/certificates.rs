//! The flags of `operator run` about the certificates of the inner ports.

use crate::release::{CertificateSource, CertificateTerms, IssuedTerms, IssuerRef};
use anyhow::{Result, ensure};
use authority::Terms;
use clap::Args;
use humantime::format_duration as shown;
use kit::units::long_time;
use std::time::Duration;

/// The longest life of an authority.
const LONGEST: Duration = Duration::from_secs(3653 * 86_400);
/// The shortest time in which a Secret can be hoped to reach all pods.
const LEAST_SPREAD: Duration = Duration::from_secs(30);
/// The shortest life that cert-manager gives a certificate.
const LEAST_LIFE: Duration = Duration::from_secs(3600);

/// Who makes the certificates, and how long they are good.
#[derive(Debug, Args)]
pub(super) struct CertificateArgs {
    /// Secret with the authorities of the inner ports, in the release's namespace; with it these ports have TLS
    #[arg(
        long,
        env = "DFS_AUTHORITY_SECRET",
        value_name = "SECRET",
        requires = "managers_secret"
    )]
    authority_secret: Option<String>,
    /// Secret with the managers' certificate, in the same namespace
    #[arg(
        long,
        env = "DFS_MANAGERS_SECRET",
        value_name = "SECRET",
        requires = "authority_secret"
    )]
    managers_secret: Option<String>,
    /// How long an authority is good; it is replaced at two thirds of that
    #[arg(long, env = "DFS_AUTHORITY_LIFE", value_name = "TIME", default_value = "17520h", value_parser = years)]
    authority_life: Duration,
    /// How long a certificate is good; it is replaced at two thirds of that
    #[arg(long, env = "DFS_CERTIFICATE_LIFE", value_name = "TIME", default_value = "720h", value_parser = long_time)]
    certificate_life: Duration,
    /// How long a new authority is trusted before it signs, 30s at the least: longer than a Secret takes to reach all pods
    #[arg(long, env = "DFS_AUTHORITY_SPREAD", value_name = "TIME", default_value = "10m", value_parser = long_time)]
    authority_spread: Duration,
    /// Issuer of cert-manager that signs the certificates, in place of an authority of the operator's
    #[arg(
        long,
        env = "DFS_ISSUER",
        value_name = "NAME",
        requires = "operator_secret",
        conflicts_with = "authority_secret"
    )]
    issuer: Option<String>,
    /// Kind of that issuer; an Issuer is sought in the namespace of each pool
    #[arg(
        long,
        env = "DFS_ISSUER_KIND",
        value_name = "KIND",
        default_value = "Issuer"
    )]
    issuer_kind: String,
    /// API group of that kind
    #[arg(
        long,
        env = "DFS_ISSUER_GROUP",
        value_name = "GROUP",
        default_value = "cert-manager.io"
    )]
    issuer_group: String,
    /// Secret with the operator's own certificate that cert-manager makes, in the release's namespace
    #[arg(
        long,
        env = "DFS_OPERATOR_SECRET",
        value_name = "SECRET",
        requires = "issuer"
    )]
    operator_secret: Option<String>,
    /// Nodes go without certificates, although managers have some: true or false
    #[arg(long, env = "DFS_PLAIN_NODES", value_name = "BOOL", default_value = "false", action = clap::ArgAction::Set)]
    pub(super) plain_nodes: bool,
}

/// A time of up to ten years.
fn years(text: &str) -> Result<Duration, String> {
    kit::units::time_up_to(text, LONGEST, "must be ten years at the most")
}

impl CertificateArgs {
    /// Checks the flags against one another.
    ///
    /// # Errors
    /// Names the flag and its limit.
    pub(super) fn check(&self) -> Result<()> {
        match self.issuer {
            Some(_) => self.check_issued(),
            None => self.check_own(),
        }
    }

    fn check_issued(&self) -> Result<()> {
        ensure!(
            self.certificate_life >= LEAST_LIFE,
            "--certificate-life: must be {} at the least, which is cert-manager's limit",
            shown(LEAST_LIFE)
        );
        Ok(())
    }

    fn check_own(&self) -> Result<()> {
        let [authority, certificate, spread] = [
            self.authority_life / 3,
            self.certificate_life,
            self.authority_spread,
        ];
        ensure!(
            certificate <= authority,
            "--certificate-life: must be a third of --authority-life at the most, {}",
            shown(authority)
        );
        ensure!(
            spread <= certificate,
            "--authority-spread: must be --certificate-life at the most, {}",
            shown(certificate)
        );
        ensure!(
            spread >= LEAST_SPREAD,
            "--authority-spread: must be {} at the least",
            shown(LEAST_SPREAD)
        );
        Ok(())
    }

    /// Who makes them; nobody where there are none.
    pub(super) fn source(&self) -> Option<CertificateSource> {
        if let (Some(issuer), Some(secret)) = (&self.issuer, &self.operator_secret) {
            return Some(CertificateSource::CertManager(IssuedTerms {
                operator_secret: secret.clone(),
                issuer: IssuerRef {
                    name: issuer.clone(),
                    kind: self.issuer_kind.clone(),
                    group: self.issuer_group.clone(),
                },
                life: self.certificate_life,
            }));
        }
        Some(CertificateSource::Operator(CertificateTerms {
            authority_secret: self.authority_secret.clone()?,
            managers_secret: self.managers_secret.clone()?,
            terms: Terms {
                authority: self.authority_life,
                certificate: self.certificate_life,
                spread: self.authority_spread,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: CertificateArgs,
    }

    fn parsed(flags: &[&str]) -> Result<CertificateArgs, String> {
        let cli = Cli::try_parse_from(std::iter::once(&"operator").chain(flags));
        cli.map(|cli| cli.args).map_err(|error| error.to_string())
    }

    /// With an issuer, and with what it needs.
    const ISSUED: [&str; 2] = ["--issuer=inner", "--operator-secret=o"];

    #[test]
    fn the_operator_makes_them_with_the_defaults() {
        let secrets = ["--authority-secret=a", "--managers-secret=m"];
        let args = parsed(&secrets).expect("parsed");
        args.check().expect("the times fit each other");
        match args.source() {
            Some(CertificateSource::Operator(made)) => assert_eq!(made.terms, Terms::default()),
            other => panic!("{other:?}"),
        }
        assert!(parsed(&secrets[..1]).is_err() && parsed(&secrets[1..]).is_err());
        assert!(parsed(&[]).expect("parsed").source().is_none());
    }

    #[test]
    fn cert_manager_makes_them_with_an_issuer() {
        let args = parsed(&ISSUED).expect("parsed");
        args.check().expect("the times fit each other");
        match args.source() {
            Some(CertificateSource::CertManager(issued)) => {
                let issuer = [
                    &issued.issuer.name,
                    &issued.issuer.kind,
                    &issued.issuer.group,
                ];
                assert_eq!(issuer, ["inner", "Issuer", "cert-manager.io"]);
                assert_eq!(issued.life, Duration::from_secs(720 * 3600));
            }
            other => panic!("{other:?}"),
        }
        assert!(parsed(&ISSUED[..1]).is_err() && parsed(&ISSUED[1..]).is_err());
        let both = ["--authority-secret=a", "--managers-secret=m"];
        assert!(parsed(&[&ISSUED[..], &both].concat()).is_err());
    }

    #[test]
    fn times_that_do_not_fit_each_other_are_refused_by_name() {
        let refused = |flags: &[&str]| match parsed(flags) {
            Ok(args) => args.check().expect_err("refused").to_string(),
            Err(why) => why,
        };
        let short = [&ISSUED[..], &["--certificate-life=59m"]].concat();
        for (flags, named) in [
            (&["--authority-life=100years"][..], "--authority-life"),
            (&["--authority-life=30d"], "--certificate-life: "),
            (&["--certificate-life=5m"], "--authority-spread: "),
            (
                &["--authority-spread=29s"],
                "--authority-spread: must be 30s",
            ),
            (&short, "--certificate-life: must be 1h"),
        ] {
            let why = refused(flags);
            assert!(why.contains(named), "{flags:?}: {why}");
        }
    }
}
