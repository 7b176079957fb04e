//! Writes the YAML of all resource definitions beside this crate's source. A test holds the committed
//! files to it.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for crd in millrace_crds::all()? {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{}.yaml", crd.spec.names.plural));
        std::fs::write(&path, millrace_crds::to_yaml(&crd)?)?;
        println!("{}", path.display());
    }
    Ok(())
}
