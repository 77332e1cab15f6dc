//! `lotwise reader grant|revoke|list`, run by the owner role.

use anyhow::Context;
use clap::{Args as ClapArgs, Subcommand};

use super::{Place, grant, list, revoke};
use crate::schema;

/// Hold a login of the database to some plants or lines, whatever it asks for.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// postgres://OWNER:PASSWORD@HOST:5432/DATABASE
    #[arg(long, env = "LOTWISE_DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Let a login see a plant, or some lines of it, and nothing else
    Grant(Which),
    /// Take a plant or lines away; all of them, if none is named
    Revoke {
        /// Name of the login role
        role: String,
        /// Key of the plant
        #[arg(long)]
        plant: Option<String>,
        /// Key of a line, several times for several
        #[arg(long, requires = "plant")]
        line: Vec<String>,
    },
    /// Say which logins may see what
    List,
}

#[derive(Debug, ClapArgs)]
struct Which {
    /// Name of the login role
    role: String,
    /// Key of the plant
    #[arg(long)]
    plant: String,
    /// Key of a line, several times for several; the whole plant, if not given
    #[arg(long)]
    line: Vec<String>,
}

fn places(plant: String, lines: Vec<String>) -> Vec<Place> {
    if lines.is_empty() {
        return vec![Place { plant, line: None }];
    }
    let of = |line| Place { plant: plant.clone(), line: Some(line) };
    lines.into_iter().map(of).collect()
}

/// Runs the subcommand.
///
/// # Errors
/// With what to do about it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let url = args.database_url.context("--database-url (or LOTWISE_DATABASE_URL) is missing")?;
    let mut conn = schema::connect(&url).await?;
    match args.command {
        Command::Grant(Which { role, plant, line }) => {
            grant(&mut conn, &role, &places(plant, line)).await?;
            println!("{role} is held to:");
            for scope in list(&mut conn).await?.into_iter().filter(|s| s.role == role) {
                println!("  {}", shown(&scope.plant, scope.line.as_deref()));
            }
        }
        Command::Revoke { role, plant, line } => {
            let places = plant.map(|plant| places(plant, line)).unwrap_or_default();
            let gone = revoke(&mut conn, &role, &places).await?;
            println!("{gone} places taken away from {role}");
        }
        Command::List => {
            for scope in list(&mut conn).await? {
                println!("{}\t{}", scope.role, shown(&scope.plant, scope.line.as_deref()));
            }
        }
    }
    Ok(())
}

fn shown(plant: &str, line: Option<&str>) -> String {
    match line {
        None => format!("plant {plant}"),
        Some(line) => format!("plant {plant}, line {line}"),
    }
}
