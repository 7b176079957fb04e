//! Writes the YAML of all resource definitions beside this crate's source, and into the chart, from where
//! Helm installs them the first time. A test holds the committed files to it.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for crd in millrace_crds::all()? {
        for directory in [here.to_owned(), here.join("../charts/millrace/crds")] {
            let path = directory.join(format!("{}.yaml", crd.spec.names.plural));
            std::fs::write(&path, millrace_crds::to_yaml(&crd)?)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}
